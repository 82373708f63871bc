import { crc32 } from "./crc32.ts";
import { Numbers } from "./numbers.ts";
import { Malformed } from "./source.ts";

const encoder = new TextEncoder();

/**
 * Finds names that occur twice, at 8 bytes a name. Names are compared by 53 bits of hash, so two different names are taken for one
 * with a chance of n²/2^54: the file is then opaque, which costs dedup only.
 */
export class UniqueNames {
  readonly #limit: number;
  readonly #hashes: Numbers;

  /** @param limit how many names there may be, one more is Malformed. @param expected how many there may well be. */
  constructor(limit: number, expected = 0) {
    this.#limit = limit;
    this.#hashes = new Numbers(Math.min(limit, expected));
  }

  /** @returns the CRC-32 of the name's UTF-8 bytes, which is the key of its tensor. */
  add(name: string): number {
    if (this.#hashes.count >= this.#limit) throw new Malformed("there are too many names");
    // A reader that keeps tensors in a plain object would lose this one, or worse.
    if (name === "__proto__") throw new Malformed("a name is __proto__");
    const bytes = encoder.encode(name);
    const crc = crc32(bytes);
    this.#hashes.push(crc * 0x20_0000 + (fnv1a(bytes) >>> 11));
    return crc;
  }

  /** Throws Malformed when a name was added twice. Called once, at the end. */
  check(): void {
    this.#hashes.sort();
    for (let index = 1; index < this.#hashes.count; index++) {
      if (this.#hashes.at(index) === this.#hashes.at(index - 1)) throw new Malformed("a name occurs twice");
    }
  }
}

function fnv1a(bytes: Uint8Array): number {
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}
