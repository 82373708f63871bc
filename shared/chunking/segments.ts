/** What a parser finds in a file: where its tensors are. In columns, because a hostile header may describe two million of them. */
import { Malformed } from "./source.ts";

export class Segments {
  readonly #limit: number;
  #starts: number[] = [];
  #lengths: number[] = [];
  #keys: number[] = [];

  /** @param limit how many segments there may be; one more is Malformed. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  get count(): number {
    return this.#starts.length;
  }

  /** @param key CRC-32 of the tensor's name; of its first 64 bytes in a zip. */
  add(start: number, lengthBytes: number, key: number): void {
    if (this.count >= this.#limit) throw new Malformed("there are too many segments");
    this.#starts.push(start);
    this.#lengths.push(lengthBytes);
    this.#keys.push(key);
  }

  start(index: number): number {
    return this.#starts[index] ?? 0;
  }

  lengthBytes(index: number): number {
    return this.#lengths[index] ?? 0;
  }

  key(index: number): number {
    return this.#keys[index] ?? 0;
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
      this.#starts[index] = base + this.start(index);
      this.#lengths[index] = next - this.start(index);
    }
  }

  #sort(): void {
    if (this.#isSorted()) return;
    const order = Uint32Array.from(this.#starts, (_, index) => index).sort((a, b) => this.#compare(a, b));
    const column = (values: number[]) => Array.from(order, (index) => values[index] ?? 0);
    this.#starts = column(this.#starts);
    this.#lengths = column(this.#lengths);
    this.#keys = column(this.#keys);
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
