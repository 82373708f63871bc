/**
 * The stack and the memo of a pickle, followed without making anything: of all values only texts are known, since a global may be named by
 * them. Whatever a loader might understand otherwise than this does is Irregular, and the pickle is then taken for the worst.
 */

/** A rule of pickles is broken, or a limit is reached. */
export class Irregular extends Error {}

const MARK = Symbol("mark");
/** A text, or null: some other value. */
export type Value = string | null;

const DEPTH_MAX = 100_000;
const TEXTS_MAX = 200_000;

export class PickleStack {
  readonly #values: (Value | typeof MARK)[] = [];
  /** Only texts; what else is there is null. */
  readonly #memo = new Map<number, string>();
  /** Slots that are taken: MEMOIZE takes the next one. */
  #slots = 0;
  #isFromOne = false;

  push(value: Value): void {
    if (this.#values.length >= DEPTH_MAX) throw new Irregular("its stack is too deep");
    this.#values.push(value);
  }

  mark(): void {
    if (this.#values.length >= DEPTH_MAX) throw new Irregular("its stack is too deep");
    this.#values.push(MARK);
  }

  pop(): Value {
    const value = this.#values.pop();
    if (value === undefined || value === MARK) throw new Irregular("it takes from an empty stack");
    return value;
  }

  popToMark(): void {
    for (let value = this.#values.pop(); value !== MARK; value = this.#values.pop()) {
      if (value === undefined) throw new Irregular("it has no mark");
    }
  }

  duplicate(): void {
    const value = this.pop();
    this.push(value);
    this.push(value);
  }

  /** A slot beyond the next one would let MEMOIZE, which counts what is there, take another one than this does, and hide a name. */
  put(slot: number): void {
    const isFirst = slot === 1 && this.#slots === 0;
    if (!Number.isInteger(slot) || slot < 0 || (slot > this.#slots && !isFirst)) throw new Irregular("its memo has gaps");
    // Old writers count from 1. They know no MEMOIZE.
    if (isFirst) this.#isFromOne = true;
    this.#slots = Math.max(this.#slots, slot + 1);
    const value = this.pop();
    this.push(value);
    this.#memo.delete(slot);
    if (value === null) return;
    if (this.#memo.size >= TEXTS_MAX) throw new Irregular("its memo has too many texts");
    this.#memo.set(slot, value);
  }

  memoize(): void {
    if (this.#isFromOne) throw new Irregular("its memo has gaps");
    this.put(this.#slots);
  }

  get(slot: number): Value {
    if (!Number.isInteger(slot) || slot < 0 || slot >= this.#slots) throw new Irregular("it recalls what it has not kept");
    return this.#memo.get(slot) ?? null;
  }
}
