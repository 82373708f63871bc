/**
 * Gathers single questions into pages. A full page leaves at once; one that is not full leaves after `lingerMs` when no other is on its
 * way, else when that one is back. So pages fill by themselves as far as answers are slow, and nothing waits for company in vain.
 */
import type { Machine } from "./ports.ts";

export type PagesOptions<Item, Answer> = {
  pageMax: number;
  lingerMs: number;
  /** Pages on their way at once. */
  width: number;
  machine: Machine;
  signal: AbortSignal;
  /** Answers in the order of `items`. */
  ask: (items: Item[]) => Promise<Answer[]>;
};

type Waiting<Item, Answer> = { item: Item; resolve: (answer: Answer) => void; reject: (error: unknown) => void };

export class Pages<Item, Answer> {
  readonly #options: PagesOptions<Item, Answer>;
  readonly #waiting: Waiting<Item, Answer>[] = [];
  #inFlight = 0;
  #lingering = false;
  #hurried = false;

  constructor(options: PagesOptions<Item, Answer>) {
    this.#options = options;
  }

  ask(item: Item): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ item, resolve, reject });
      if (this.#waiting.length >= this.#options.pageMax || this.#hurried) this.#send();
      else if (this.#inFlight === 0) this.#linger();
    });
  }

  /** Nothing more will come soon: from now on no page waits for company. */
  hurry(): void {
    this.#hurried = true;
    this.#send();
  }

  #linger(): void {
    if (this.#lingering) return;
    this.#lingering = true;
    const { machine, lingerMs, signal } = this.#options;
    const wake = () => {
      this.#lingering = false;
      if (this.#inFlight === 0) this.#send();
    };
    machine.sleep(lingerMs, signal).then(wake, wake);
  }

  #send(): void {
    if (this.#waiting.length === 0 || this.#inFlight >= this.#options.width) return;
    const page = this.#waiting.splice(0, this.#options.pageMax);
    this.#inFlight++;
    void this.#ask(page).finally(() => {
      this.#inFlight--;
      if (this.#waiting.length >= this.#options.pageMax || this.#inFlight === 0 || this.#hurried) this.#send();
    });
  }

  async #ask(page: Waiting<Item, Answer>[]): Promise<void> {
    try {
      const answers = await this.#options.ask(page.map((waiting) => waiting.item));
      for (const [at, answer] of answers.entries()) page[at]?.resolve(answer);
    } catch (error) {
      for (const waiting of page) waiting.reject(error);
    }
  }
}
