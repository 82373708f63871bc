/** Cuts a stream of a chunk's bytes into what belongs where in the file. */
import type { Place } from "./ports.ts";

/** Writes `bytes` at `fileOffset` of the file. */
export type WriteAt = (bytes: Uint8Array, fileOffset: number) => void;

/** @param places in order of `chunkOffset`; they may overlap, when a file has a part of the chunk twice. */
export class Placing {
  readonly #places: readonly Place[];
  readonly #write: WriteAt;
  readonly #start: number;
  #offset: number;
  /** All places before this one end before `#offset`. */
  #first = 0;

  /** @param start the first byte of the chunk that will come. */
  constructor(places: readonly Place[], write: WriteAt, start = 0) {
    this.#places = places;
    this.#write = write;
    this.#start = this.#offset = start;
  }

  /** All bytes of the chunk before this one, from the first, have come. */
  get offset(): number {
    return this.#offset;
  }

  restart(): void {
    this.#offset = this.#start;
    this.#first = 0;
  }

  push(bytes: Uint8Array): void {
    const start = this.#offset;
    const end = start + bytes.length;
    for (let index = this.#first; index < this.#places.length; index++) {
      const place = this.#places[index] as Place;
      if (place.chunkOffset >= end) break;
      const from = Math.max(start, place.chunkOffset);
      const to = Math.min(end, place.chunkOffset + place.length);
      if (from < to) this.#write(bytes.subarray(from - start, to - start), place.fileOffset + (from - place.chunkOffset));
      if (index === this.#first && place.chunkOffset + place.length <= end) this.#first++;
    }
    this.#offset = end;
  }
}
