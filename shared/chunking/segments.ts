/** What a parser finds in a file: where its tensors are. In columns, because a hostile header may describe two million of them. */
import { Numbers } from "./numbers.ts";
import { Malformed } from "./source.ts";

export class Segments {
  readonly #limit: number;
  readonly #starts: Numbers;
  readonly #lengths: Numbers;
  readonly #keys: Numbers;

  /** @param limit how many segments there may be, one more is Malformed. @param expected how many there may well be. */
  constructor(limit: number, expected = 0) {
    this.#limit = limit;
    const capacity = Math.min(limit, expected);
    this.#starts = new Numbers(capacity);
    this.#lengths = new Numbers(capacity);
    this.#keys = new Numbers(capacity);
  }

  get count(): number {
    return this.#starts.count;
  }

  /** @param key CRC-32 of the tensor's name; of its first 64 bytes in a zip. */
  add(start: number, lengthBytes: number, key: number): void {
    if (this.count >= this.#limit) throw new Malformed("there are too many segments");
    this.#starts.push(start);
    this.#lengths.push(lengthBytes);
    this.#keys.push(key);
  }

  start(index: number): number {
    return this.#starts.at(index);
  }

  lengthBytes(index: number): number {
    return this.#lengths.at(index);
  }

  key(index: number): number {
    return this.#keys.at(index);
  }

  /** How many sealed segments do not start where the one before ends. */
  get gapCount(): number {
    let count = 0;
    let end = 0;
    for (let index = 0; index < this.count; index++) {
      if (this.start(index) > end) count++;
      end = this.start(index) + this.lengthBytes(index);
    }
    return count;
  }

  /** Puts the segments in file order. Throws Malformed when two of them overlap or one leaves the first `endBytes` bytes. */
  seal(endBytes: number): void {
    this.#sort();
    let end = 0;
    for (let index = 0; index < this.count; index++) {
      if (this.start(index) < end) throw new Malformed("two segments overlap");
      end = this.start(index) + this.lengthBytes(index);
    }
    if (end > endBytes) throw new Malformed("a segment leaves the file");
  }

  /** Moves sealed segments by `base` and lets each reach to the next one, the last to `end`. */
  stretch(base: number, end: number): void {
    for (let index = 0; index < this.count; index++) {
      const next = index + 1 < this.count ? base + this.start(index + 1) : end;
      this.#starts.set(index, base + this.start(index));
      this.#lengths.set(index, next - this.start(index));
    }
  }

  #sort(): void {
    if (this.#isSorted()) return;
    const order = new Uint32Array(this.count);
    for (let index = 0; index < order.length; index++) order[index] = index;
    order.sort((a, b) => this.#compare(a, b));
    for (const column of [this.#starts, this.#lengths, this.#keys]) column.arrange(order);
  }

  #isSorted(): boolean {
    for (let index = 1; index < this.count; index++) if (this.#compare(index - 1, index) > 0) return false;
    return true;
  }

  /** An empty segment comes before the one that starts at the same place. */
  #compare(a: number, b: number): number {
    return this.start(a) - this.start(b) || this.lengthBytes(a) - this.lengthBytes(b);
  }
}
