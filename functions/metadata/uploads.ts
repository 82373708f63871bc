/**
 * State of uploads on Redis. It is read by scripts, as the logs' indexes are: a commit reads what another isolate confirmed a moment
 * ago, and an answer from a lagging copy would have chunks sent again. Slices of one call go one after another.
 */
import type { Digest } from "../../shared/digest.ts";
import type { Proof, UploadKey, Uploads } from "../registry/ports.ts";
import { decodeProof, encodeProof } from "./codec.ts";
import { answersTo, integerOf, type RedisCommands, textOrNull } from "./commands.ts";
import type { Keys } from "./keys.ts";
import { ITEMS_MAX, UPLOAD } from "./lua.ts";
import { packDigest } from "./packing.ts";

const UPLOAD_TTL_SECONDS = 24 * 3600;
/** With the lifetime beside them, what a script unpacks stays within its bound; a proof is two items. */
const SLICE = ITEMS_MAX / 2;

export class RedisUploads implements Uploads {
  readonly #commands: RedisCommands;
  readonly #keys: Keys;

  constructor(commands: RedisCommands, keys: Keys) {
    this.#commands = commands;
    this.#keys = keys;
  }

  async proofs(uploadId: string, digests: readonly Digest[]): Promise<(Proof | null)[]> {
    const proofs: (Proof | null)[] = [];
    for (const slice of slicesOf(digests)) {
      const reply = await this.#run(UPLOAD.proofs, uploadId, slice.map(packDigest));
      const texts = answersTo(slice.length, reply).map(textOrNull);
      proofs.push(...texts.map((text) => (text === null ? null : decodeProof(text))));
    }
    return proofs;
  }

  async record(uploadId: string, proofs: ReadonlyMap<Digest, Proof>): Promise<void> {
    for (const slice of slicesOf([...proofs])) {
      const items = slice.flatMap(([digest, proof]) => [packDigest(digest), encodeProof(proof)]);
      integerOf(await this.#run(UPLOAD.record, uploadId, items));
    }
  }

  async addRecipes(uploadId: string, recipes: readonly Digest[]): Promise<void> {
    for (const slice of slicesOf(recipes)) integerOf(await this.#run(UPLOAD.addRecipes, uploadId, slice.map(packDigest)));
  }

  async missingRecipes(uploadId: string, recipes: readonly Digest[]): Promise<Digest[]> {
    const missing: Digest[] = [];
    for (const slice of slicesOf(recipes)) {
      const known = answersTo(slice.length, await this.#run(UPLOAD.hasRecipes, uploadId, slice.map(packDigest))).map(integerOf);
      missing.push(...slice.filter((_, at) => known[at] !== 1));
    }
    return missing;
  }

  async current(key: UploadKey): Promise<string | null> {
    const [upload] = await this.#commands.pipeline([["GETEX", this.#keys.uploadOf(key), "EX", UPLOAD_TTL_SECONDS]]);
    return textOrNull(upload);
  }

  async remember(key: UploadKey, upload: string, atMs: number, max: number): Promise<boolean> {
    const keys = [this.#keys.uploadOf(key), this.#keys.uploadsOf(key.principal)];
    const args = [UPLOAD_TTL_SECONDS, upload, memberOf(key), atMs, atMs - UPLOAD_TTL_SECONDS * 1000, max];
    return integerOf(await this.#commands.script(UPLOAD.remember, keys, args)) === 1;
  }

  async forget(key: UploadKey): Promise<void> {
    const replies = await this.#commands.pipeline([
      ["DEL", this.#keys.uploadOf(key)],
      ["ZREM", this.#keys.uploadsOf(key.principal), memberOf(key)],
    ]);
    replies.forEach(integerOf);
  }

  async #run(script: string, uploadId: string, items: readonly string[]) {
    const { proofs, recipes } = this.#keys.upload(uploadId);
    return this.#commands.script(script, [proofs, recipes], [UPLOAD_TTL_SECONDS, ...items]);
  }
}

function memberOf({ repositoryId, branch }: UploadKey): string {
  return `${repositoryId}:${branch}`;
}

function slicesOf<T>(items: readonly T[]): (readonly T[])[] {
  const slices: (readonly T[])[] = [];
  for (let at = 0; at < items.length; at += SLICE) slices.push(items.slice(at, at + SLICE));
  return slices;
}
