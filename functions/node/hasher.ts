/** SHA-256 of streams by OpenSSL, some 1.5 GB a second. */
import { createHash } from "node:crypto";
import { Digest } from "../../shared/digest.ts";
import type { Hasher } from "../registry/ports.ts";

export const nodeHasher: Hasher = {
  async sha256(stream) {
    const hash = createHash("sha256");
    let sizeBytes = 0;
    for await (const bytes of stream) {
      hash.update(bytes);
      sizeBytes += bytes.length;
    }
    return { sha256: Digest.parse(hash.digest("hex")), sizeBytes };
  },
  start() {
    const hash = createHash("sha256");
    return { update: (bytes) => void hash.update(bytes), digest: async () => Digest.parse(hash.digest("hex")) };
  },
};
