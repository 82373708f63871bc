/** Values for tests of the chunk index and of uploads. */
import type { ChunkEntry, Proof, UploadKey } from "../../functions/registry/ports.ts";
import type { Digest } from "../../shared/digest.ts";
import { digestOf, hex, refOf, repositoryIdOf } from "./chain.ts";

export const UPLOAD = hex("an upload", 16);
export const UPLOAD_KEY: UploadKey = { repositoryId: repositoryIdOf("team/llama"), branch: refOf("feature/x"), principal: "0123:45 é" };

export function chunkEntry(seed: string): ChunkEntry & { sha256: Digest } {
  const verified = Number.parseInt(hex(seed, 1), 16) % 2 === 0;
  return { sha256: digestOf(seed), tag: hex(`tag ${seed}`, 16), holder: repositoryIdOf(seed), size: 64 * 1024 * 1024, verified };
}

export function proofOf(seed: string, state: Proof["state"] = "reserved"): Proof {
  const bits = Number.parseInt(hex(seed, 1), 16);
  return { state, tag: hex(`tag ${seed}`, 16), size: 1000 + bits, attempt: 1 + bits, fresh: (bits & 1) === 0, verified: (bits & 2) === 0 };
}
