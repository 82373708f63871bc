/**
 * What requests ask of the stores and of the index: counted for each request, for its line in the log and its `Server-Timing`, and in all,
 * for /metrics and the bill. Whoever asks a store or Redis is deep in a use case and knows no request, so the request's own count is found
 * by the runtime's scope (AsyncLocalStorage in both homes); what the clock asks for by itself has none.
 */
import { labelsText } from "./counters.ts";
import type { Clock } from "./ports.ts";

/** Whom it was for: routes of a push, of a pull, others; `background`: nobody's request. */
export type Purpose = "push" | "pull" | "other" | "background";

/** As providers bill: A writes and lists, B reads, free ones delete. */
export type OperationClass = "A" | "B" | "free";

/** Of one request. `ms`: while at least one was under way. `bytes`: of texts that were sent to the index and came back. */
export type Spent = { purpose: Purpose; store: Share; index: Share & { bytes: number } };
export type Share = { count: number; ms: number; underWay: number; sinceMs: number };

/** As AsyncLocalStorage has it. */
export type Scope<T> = { run<R>(value: T, work: () => R): R; getStore(): T | undefined };

export class Traffic {
  readonly #clock: Clock;
  readonly #scope: Scope<Spent>;
  readonly #names = new Map<string, string>();
  #waiting = new Map<string, number>();

  constructor(clock: Clock, scope: Scope<Spent>) {
    this.#clock = clock;
    this.#scope = scope;
  }

  /** Runs a request; what it asks for is counted in what is returned by `spentNow` within it. */
  during<T>(work: () => T): T {
    return this.#scope.run({ purpose: "other", store: nothing(), index: { ...nothing(), bytes: 0 } }, work);
  }

  /** Of the request that this is called in; null outside of one. */
  spentNow(): Spent | null {
    return this.#scope.getStore() ?? null;
  }

  async askStore<T>(store: string, kind: OperationClass, ask: () => Promise<T>): Promise<T> {
    const spent = this.spentNow();
    this.#add("ferry_store_operations_total", 1, { store, class: kind, for: spent?.purpose ?? "background" });
    return this.#timed(spent?.store, 1, ask);
  }

  /** `bytesOf`: how long what came back is. */
  async askIndex<T>(sent: { commands: number; bytes: number }, ask: () => Promise<T>, bytesOf: (answer: T) => number): Promise<T> {
    const spent = this.spentNow();
    const purpose = { for: spent?.purpose ?? "background" };
    this.#add("ferry_index_commands_total", sent.commands, purpose);
    this.#add("ferry_index_bytes_total", sent.bytes, { direction: "sent", ...purpose });
    const answer = await this.#timed(spent?.index, sent.commands, ask);
    const received = bytesOf(answer);
    this.#add("ferry_index_bytes_total", received, { direction: "received", ...purpose });
    if (spent !== null) spent.index.bytes += sent.bytes + received;
    return answer;
  }

  /** What was counted since this was asked for last. */
  take(): ReadonlyMap<string, number> {
    const counts = this.#waiting;
    this.#waiting = new Map();
    return counts;
  }

  async #timed<T>(share: Share | undefined, count: number, ask: () => Promise<T>): Promise<T> {
    if (share === undefined) return ask();
    share.count += count;
    if (share.underWay++ === 0) share.sinceMs = this.#clock.now();
    try {
      return await ask();
    } finally {
      if (--share.underWay === 0) share.ms += this.#clock.now() - share.sinceMs;
    }
  }

  /** Names are few, and made once. */
  #add(name: string, by: number, labels: Record<string, string>): void {
    const short = `${name} ${Object.values(labels).join(" ")}`;
    const known = this.#names.get(short);
    const key = known ?? name + labelsText(labels);
    if (known === undefined) this.#names.set(short, key);
    this.#waiting.set(key, (this.#waiting.get(key) ?? 0) + by);
  }
}

/** For ports that nobody counts. */
export const NO_SCOPE: Scope<Spent> = { run: (_, work) => work(), getStore: () => undefined };

function nothing(): Share {
  return { count: 0, ms: 0, underWay: 0, sinceMs: 0 };
}
