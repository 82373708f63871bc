/** Finds out by hash which chunks of a file are on the disk. */
import { createHash } from "node:crypto";
import type { Digest } from "../../shared/digest.ts";
import type { Place, WantedChunk } from "../../shared/transfer/ports.ts";
import { hashRange } from "./hash-range.ts";

export class HeldChunks {
  readonly #fd: number;
  readonly #sizeBytes: number;
  readonly #buffer: Buffer;

  /** @param buffer to read by. */
  constructor({ fd, sizeBytes, buffer }: { fd: number; sizeBytes: number; buffer: Buffer }) {
    this.#fd = fd;
    this.#sizeBytes = sizeBytes;
    this.#buffer = buffer;
  }

  /** Those of `chunks` whose bytes, at all their places, have their digest. */
  async find(chunks: readonly WantedChunk[], signal: AbortSignal): Promise<Digest[]> {
    const held: Digest[] = [];
    for (const chunk of chunks) {
      signal.throwIfAborted();
      if (await this.#holds(chunk, signal)) held.push(chunk.sha256);
    }
    return held;
  }

  async #holds(chunk: WantedChunk, signal: AbortSignal): Promise<boolean> {
    const copies = copiesOf(chunk);
    for (const places of copies) if (!(await this.#isCopy(places, chunk, signal))) return false;
    return copies.length > 0;
  }

  async #isCopy(places: readonly Place[], { sha256 }: WantedChunk, signal: AbortSignal): Promise<boolean> {
    const hash = createHash("sha256");
    for (const { fileOffset, length } of places) {
      const range = { fd: this.#fd, from: fileOffset, to: fileOffset + length };
      if (range.to > this.#sizeBytes || !(await hashRange(hash, range, this.#buffer, signal))) return false;
    }
    return hash.digest("hex") === sha256;
  }
}

/**
 * The places of a chunk, sorted into whole copies of it: a tensor that a file has twice is there twice. Empty when they do not add up to
 * whole copies, since a hash can't tell anything about a part.
 */
export function copiesOf({ places, size }: WantedChunk): Place[][] {
  const copies: Place[][] = [];
  for (let rest = places; rest.length > 0; ) {
    const copy: Place[] = [];
    const others: Place[] = [];
    let offset = 0;
    for (const place of rest) {
      const isNext = place.chunkOffset === offset;
      (isNext ? copy : others).push(place);
      if (isNext) offset += place.length;
    }
    if (offset !== size) return [];
    copies.push(copy);
    rest = others;
  }
  return copies;
}
