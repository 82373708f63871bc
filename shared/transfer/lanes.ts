/** The requests to a store that are on their way: as many at once as it pays (width.ts). */
import type { FetchAnswer, Machine, StoreAnswer } from "./ports.ts";
import { Semaphore } from "./semaphore.ts";
import { STEER_MS, type Width } from "./width.ts";

export class Lanes {
  readonly #width: Width;
  readonly #machine: Machine;
  readonly #semaphore: Semaphore;
  #movedBytes = 0;

  constructor(width: Width, machine: Machine) {
    this.#width = width;
    this.#machine = machine;
    this.#semaphore = new Semaphore(width.now);
  }

  /** How many more requests would start at once; 0 while others wait for a lane. */
  get free(): number {
    return this.#semaphore.waiting > 0 ? 0 : this.#semaphore.free;
  }

  /** Sends one request as soon as there is a lane. Throws the signal's reason instead when it fired by then. */
  use<A extends StoreAnswer | FetchAnswer>(signal: AbortSignal, send: () => Promise<A>): Promise<A> {
    return this.#semaphore.use(signal, async () => {
      const answer = await send();
      this.#width.ended(isThrottled(answer));
      return answer;
    });
  }

  moved(bytes: number): void {
    this.#movedBytes += bytes;
  }

  /** Steers while `work` runs. `onStep` is called now and then, too. */
  async during<T>(work: () => Promise<T>, onStep: () => void = () => {}): Promise<T> {
    const stop = new AbortController();
    const steering = this.#steer(stop.signal, onStep).catch(() => {});
    try {
      return await work();
    } finally {
      stop.abort();
      await steering;
    }
  }

  async #steer(signal: AbortSignal, onStep: () => void): Promise<void> {
    for (;;) {
      await this.#machine.sleep(STEER_MS, signal);
      const bytes = this.#movedBytes;
      this.#movedBytes = 0;
      this.#width.step(bytes, this.#semaphore.waiting > 0);
      this.#semaphore.resize(this.#width.now);
      onStep();
    }
  }
}

/** The store says: not so much at once. */
function isThrottled(answer: StoreAnswer | FetchAnswer): boolean {
  if (answer.kind !== "answered") return false;
  return answer.status === 503 || answer.status === 429 || answer.status === 500 || answer.code === "RequestTimeout";
}
