/** A list of numbers at 8 bytes each, for what a hostile file may have millions of. A plain array costs several times that while it grows. */
export class Numbers {
  #values: Float64Array;
  #count = 0;

  /** @param expected how many there may well be, so that no smaller lists are left behind on the way. */
  constructor(expected: number) {
    this.#values = new Float64Array(Math.max(1, Math.ceil(expected)));
  }

  get count(): number {
    return this.#count;
  }

  push(value: number): void {
    if (this.#count === this.#values.length) {
      const grown = new Float64Array(2 * this.#count);
      grown.set(this.#values);
      this.#values = grown;
    }
    this.#values[this.#count++] = value;
  }

  at(index: number): number {
    return this.#values[index] ?? 0;
  }

  set(index: number, value: number): void {
    this.#values[index] = value;
  }

  sort(): void {
    this.#values.subarray(0, this.#count).sort();
  }

  /** Puts the values in another order: `order` holds the index of each. */
  arrange(order: Uint32Array): void {
    const arranged = new Float64Array(this.#count);
    for (let index = 0; index < arranged.length; index++) arranged[index] = this.at(order[index] ?? 0);
    this.#values = arranged;
  }
}
