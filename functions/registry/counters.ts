/**
 * Counts of what an isolate saw. They wait here and are added to those of all isolates in one step, after an answer and at most every ten
 * seconds, so a request costs no command of its own. An isolate that ends before loses what waited: counters say how things go, not who owes what.
 */
import type { Ports } from "./ports.ts";
import type { Traffic } from "./traffic.ts";

/** Where the counts of all isolates are. */
export interface Counters {
  /** Adds to each; in one step. A repeated call may add twice. */
  add(counts: ReadonlyMap<string, number>): Promise<void>;
  /** All of them, and under COUNTED_SINCE when the first was added: seconds since 1970. */
  read(): Promise<Map<string, number>>;
}

export const COUNTED_SINCE = "ferry_counted_since_seconds";
/** Upper ends in seconds; the last bucket has none. */
export const SECONDS_ENDS = [0.01, 0.05, 0.25, 1, 5] as const;
/** An isolate with more than this would be told to by a caller who makes names up. */
const NAMES_MAX = 2_000;
const FLUSH_EVERY_MS = 10_000;

type Needed = Pick<Ports, "clock" | "counters">;

/** One for each isolate. */
export class Tally {
  readonly #ports: Needed;
  readonly #traffic: Traffic;
  #waiting = new Map<string, number>();
  #flushedAtMs = 0;

  constructor(ports: Needed, traffic: Traffic) {
    this.#ports = ports;
    this.#traffic = traffic;
  }

  /** `labels`: few and of few values; never a repository, a person or a path. */
  count(name: string, labels: Readonly<Record<string, string>> = {}, by = 1): void {
    const key = name + labelsText(labels);
    if (this.#waiting.has(key) || this.#waiting.size < NAMES_MAX) this.#waiting.set(key, (this.#waiting.get(key) ?? 0) + by);
  }

  /** A time, by route: how many were that short, and their sum. */
  time(name: string, route: string, ms: number): void {
    const end = SECONDS_ENDS.find((seconds) => ms <= seconds * 1000);
    this.count(`${name}_bucket`, { le: end === undefined ? "+Inf" : String(end), route });
    this.count(`${name}_ms`, { route }, Math.round(ms));
  }

  /** Whether somebody should write what waits. Whoever is told so does. */
  needsFlush(): boolean {
    const nowMs = this.#ports.clock.now();
    if (this.#waiting.size === 0 || nowMs - this.#flushedAtMs < FLUSH_EVERY_MS) return false;
    this.#flushedAtMs = nowMs;
    return true;
  }

  async flush(): Promise<void> {
    const counts = this.#waiting;
    for (const [key, by] of this.#traffic.take()) counts.set(key, by);
    if (counts.size === 0) return;
    this.#waiting = new Map();
    await this.#ports.counters.add(counts);
  }
}

/** As Prometheus writes them: `{a="1",b="2"}`, or nothing. */
export function labelsText(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${value.replace(/[^\w .:/*+-]/g, "_").slice(0, 100)}"`);
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
}
