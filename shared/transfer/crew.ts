/**
 * Work started along the way that must end together: the first failure stops all of it, and is the one that is reported. Nothing is
 * left running when `finish` has returned or thrown.
 */
export class Crew {
  readonly signal: AbortSignal;
  readonly #controller = new AbortController();
  readonly #outer: AbortSignal;
  readonly #stop = () => this.#controller.abort(this.#outer.reason);
  readonly #running = new Set<Promise<void>>();
  #failure: { error: unknown } | null = null;

  /** Must be finished or abandoned; may be started again after that. Not `AbortSignal.any`: before Node 22.12 each such signal stays as long as the outer one lives. */
  constructor(outer: AbortSignal) {
    this.#outer = outer;
    this.signal = this.#controller.signal;
    this.#listen();
  }

  /** Starts `work`. Its failure is kept for `finish`. */
  start(work: () => Promise<void>): void {
    this.#listen();
    if (this.signal.aborted) return;
    const running = work().catch((error: unknown) => this.#fail(error));
    this.#running.add(running);
    void running.finally(() => this.#running.delete(running));
  }

  /** Waits for everything, also for what is started meanwhile. Throws the first failure, or why it was stopped from outside. */
  async finish(): Promise<void> {
    await this.#settle();
    if (this.#failure !== null) throw this.#failure.error;
    this.signal.throwIfAborted();
  }

  /** Stops everything because of `error`, waits, then throws as `finish` does. */
  async abandon(error: unknown): Promise<never> {
    this.#fail(error);
    await this.finish();
    throw error;
  }

  #listen(): void {
    if (this.#outer.aborted) this.#stop();
    else this.#outer.addEventListener("abort", this.#stop, { once: true });
  }

  async #settle(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
    this.#outer.removeEventListener("abort", this.#stop);
  }

  #fail(error: unknown): void {
    // What others throw because they were stopped says nothing about why.
    if (this.signal.aborted) return;
    this.#failure = { error };
    this.#controller.abort(error);
  }
}

/** Runs `work` on every item, `width` at a time. The first failure stops the rest and is thrown once all have ended. */
export async function pool<T>(
  items: Iterable<T>,
  { width, signal }: { width: number; signal: AbortSignal },
  work: (item: T, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const crew = new Crew(signal);
  const iterator = items[Symbol.iterator]();
  for (let lane = 0; lane < width; lane++) {
    crew.start(async () => {
      for (let next = iterator.next(); !next.done; next = iterator.next()) {
        crew.signal.throwIfAborted();
        await work(next.value, crew.signal);
      }
    });
  }
  await crew.finish();
}
