/** Bounds how many do something at once. First come, first served. */
export class Semaphore {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(width: number) {
    this.#free = width;
  }

  /** Runs `work` as soon as there is room. Throws the signal's reason instead when it fired by then. */
  async use<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    await this.#enter();
    try {
      signal.throwIfAborted();
      return await work();
    } finally {
      this.#leave();
    }
  }

  async #enter(): Promise<void> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  #leave(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free++;
    else next();
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
