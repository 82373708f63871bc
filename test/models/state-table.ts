/** States as short rows of 32-bit words, numbered in the order in which they were first seen: about 30 bytes a state in all. */

/** Words that a state may take. */
const WIDTH_MAX = 16;

/** One state's row: small numbers side by side. Every state of a model must be written by the same widths. */
export class Bits {
  readonly words = new Uint32Array(WIDTH_MAX);
  /** Words in use. */
  width = 0;
  #used = 32;

  clear(): void {
    this.width = 0;
    this.#used = 32;
  }

  /** @param value 0 to 2^size - 1; @param size in bits, at most 31 */
  put(value: number, size: number): void {
    if (value >>> size !== 0) throw new RangeError(`${value} does not fit into ${size} bits`);
    if (this.#used + size > 32) {
      if (this.width === WIDTH_MAX) throw new RangeError("a state is too wide");
      this.words[this.width++] = 0;
      this.#used = 0;
    }
    this.words[this.width - 1] = (this.words[this.width - 1] ?? 0) | (value << this.#used);
    this.#used += size;
  }

  isLessThan(other: Bits): boolean {
    for (let at = 0; at < this.width; at++) {
      const [ours = 0, theirs = 0] = [this.words[at], other.words[at]];
      if (ours !== theirs) return ours < theirs;
    }
    return false;
  }
}

/** A growing array of 32-bit words. */
export class Words {
  #words = new Uint32Array(1024);
  length = 0;

  push(word: number): void {
    if (this.length === this.#words.length) {
      const grown = new Uint32Array(this.length * 2);
      grown.set(this.#words);
      this.#words = grown;
    }
    this.#words[this.length++] = word;
  }

  at(index: number): number {
    return this.#words[index] ?? 0;
  }
}

/** Open addressing: a slot holds a state's number + 1, or 0 when it is free. */
export class StateTable {
  size = 0;
  readonly #rows = new Words();
  #slots = new Uint32Array(1 << 12);
  #width = 0;

  /** The state's number, if it is new; minus its number, minus 1, if it was seen before. */
  add(row: Bits): number {
    if (this.size === 0) this.#width = row.width;
    if (row.width !== this.#width) throw new RangeError("states of two widths");
    if (this.size * 2 >= this.#slots.length) this.#grow();
    const slot = this.#find(row.words);
    const held = this.#slots[slot] ?? 0;
    if (held > 0) return -held;
    for (let at = 0; at < this.#width; at++) this.#rows.push(row.words[at] ?? 0);
    this.#slots[slot] = ++this.size;
    return this.size - 1;
  }

  /** -1: never seen. */
  numberOf(row: Bits): number {
    return (this.#slots[this.#find(row.words)] ?? 0) - 1;
  }

  #find(words: Uint32Array): number {
    const mask = this.#slots.length - 1;
    for (let slot = this.#hash(words) & mask; ; slot = (slot + 1) & mask) {
      const held = this.#slots[slot] ?? 0;
      if (held === 0 || this.#equals(held - 1, words)) return slot;
    }
  }

  #equals(state: number, words: Uint32Array): boolean {
    const from = state * this.#width;
    for (let at = 0; at < this.#width; at++) if (this.#rows.at(from + at) !== words[at]) return false;
    return true;
  }

  #hash(words: Uint32Array): number {
    let hash = 0x811c9dc5;
    for (let at = 0; at < this.#width; at++) {
      hash = Math.imul(hash ^ (words[at] ?? 0), 0x85ebca6b);
      hash ^= hash >>> 15;
    }
    hash = Math.imul(hash, 0xc2b2ae35);
    return hash ^ (hash >>> 13);
  }

  #grow(): void {
    this.#slots = new Uint32Array(this.#slots.length * 2);
    const words = new Uint32Array(this.#width);
    for (let state = 0; state < this.size; state++) {
      for (let at = 0; at < this.#width; at++) words[at] = this.#rows.at(state * this.#width + at);
      this.#slots[this.#find(words)] = state + 1;
    }
  }
}
