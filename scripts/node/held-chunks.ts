/** Finds out by hash which chunks of a file are on the disk. */
import { createHash } from "node:crypto";
import { read } from "node:fs";
import { promisify } from "node:util";
import type { Digest } from "../../shared/digest.ts";
import type { WantedChunk } from "../../shared/transfer/ports.ts";
import { MiB } from "../../shared/units.ts";

const READ_BYTES = MiB;
const readAt = promisify(read);

export class HeldChunks {
  readonly #fd: number;
  readonly #sizeBytes: number;
  readonly #buffer: Buffer;

  constructor(fd: number, sizeBytes: number) {
    this.#fd = fd;
    this.#sizeBytes = sizeBytes;
    this.#buffer = Buffer.allocUnsafeSlow(Math.max(1, Math.min(READ_BYTES, sizeBytes)));
  }

  /** Those of `chunks` whose bytes, at all their places, have their digest. */
  async find(chunks: readonly WantedChunk[], signal: AbortSignal): Promise<Set<Digest>> {
    const held = new Set<Digest>();
    for (const chunk of chunks) {
      signal.throwIfAborted();
      if (await this.#holds(chunk)) held.add(chunk.sha256);
    }
    return held;
  }

  async #holds(chunk: WantedChunk): Promise<boolean> {
    const hash = createHash("sha256");
    let offset = 0;
    for (const { chunkOffset, fileOffset, length } of chunk.places) {
      // Places that overlap, or leave out a part of the chunk, can't be checked by one hash: such a chunk is fetched.
      if (chunkOffset !== offset || fileOffset + length > this.#sizeBytes) return false;
      if (!(await this.#update(hash, fileOffset, length))) return false;
      offset += length;
    }
    return offset === chunk.size && hash.digest("hex") === chunk.sha256;
  }

  async #update(hash: ReturnType<typeof createHash>, fileOffset: number, length: number): Promise<boolean> {
    for (let done = 0; done < length; ) {
      const { bytesRead } = await readAt(this.#fd, this.#buffer, 0, Math.min(this.#buffer.length, length - done), fileOffset + done);
      if (bytesRead === 0) return false;
      hash.update(this.#buffer.subarray(0, bytesRead));
      done += bytesRead;
    }
    return true;
  }
}
