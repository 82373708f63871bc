/** Reads a chunk where it lies in a file that is pushed. */
import type { Range } from "../../shared/chunking/group.ts";
import type { CheckedSource } from "./source-file.ts";
import type { BodyReader } from "./transport.ts";

/** The last bytes come only when the file is still the one that was hashed: a store that checks nothing must not get others. */
export function readerOf(source: CheckedSource, ranges: readonly Range[], sizeBytes: number): BodyReader {
  const reader = new RangeReader(source, ranges);
  let leftBytes = sizeBytes;
  return async (buffer) => {
    await reader.fill(buffer);
    leftBytes -= buffer.length;
    if (leftBytes === 0) source.check();
  };
}

/** Reads the concatenation of `ranges`. */
class RangeReader {
  readonly #source: CheckedSource;
  readonly #ranges: readonly Range[];
  #next = 0;
  /** Bytes of the next range that were read. */
  #done = 0;

  constructor(source: CheckedSource, ranges: readonly Range[]) {
    this.#source = source;
    this.#ranges = ranges;
  }

  /** Fills the buffer; the ranges have as much left. */
  async fill(buffer: Uint8Array): Promise<void> {
    for (let filled = 0; filled < buffer.length; ) {
      const [offset, length] = this.#ranges[this.#next] ?? [0, 0];
      const piece = buffer.subarray(filled, filled + Math.min(length - this.#done, buffer.length - filled));
      if (piece.length === 0) throw new RangeError("the ranges are shorter than the chunk");
      await this.#source.fill(piece, offset + this.#done);
      filled += piece.length;
      this.#done += piece.length;
      if (this.#done === length) [this.#next, this.#done] = [this.#next + 1, 0];
    }
  }
}
