/** Bounds how many do something at once. First come, first served; the bound may change on the way. */
export class Semaphore {
  #width: number;
  #used = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(width: number) {
    this.#width = width;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  /** How many more could start now. */
  get free(): number {
    return Math.max(0, this.#width - this.#used);
  }

  /** Those who are in stay in. */
  resize(width: number): void {
    this.#width = width;
    this.#admit();
  }

  /** Runs `work` as soon as there is room. Throws the signal's reason instead when it fired by then. */
  async use<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    await this.#enter();
    try {
      signal.throwIfAborted();
      return await work();
    } finally {
      this.#used--;
      this.#admit();
    }
  }

  async #enter(): Promise<void> {
    if (this.free > 0) this.#used++;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  #admit(): void {
    while (this.free > 0) {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      this.#used++;
      next();
    }
  }
}

/** Holds back a producer while more than `limit` units are on their way. One unit larger than the limit passes when it is alone. */
export class Window {
  #used = 0;
  readonly #limit: number;
  readonly #waiting: (() => void)[] = [];

  constructor(limit: number) {
    this.#limit = limit;
  }

  async take(units: number, signal: AbortSignal): Promise<void> {
    while (this.#used > 0 && this.#used + units > this.#limit && !signal.aborted) await this.#change(signal);
    signal.throwIfAborted();
    this.#used += units;
  }

  give(units: number): void {
    this.#used -= units;
    for (const wake of this.#waiting.splice(0)) wake();
  }

  /** Until units were given back, or the signal fires. */
  async #change(signal: AbortSignal): Promise<void> {
    await new Promise<void>((resolve) => {
      const wake = () => {
        signal.removeEventListener("abort", wake);
        resolve();
      };
      this.#waiting.push(wake);
      signal.addEventListener("abort", wake, { once: true });
    });
  }
}
