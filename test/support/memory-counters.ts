/** Counters in memory. */
import { COUNTED_SINCE, type Counters } from "../../functions/registry/counters.ts";

export class MemoryCounters implements Counters {
  readonly counts = new Map<string, number>();
  readonly #nowSeconds: () => number;

  constructor(clock: { now(): number } = { now: () => 0 }) {
    this.#nowSeconds = () => Math.floor(clock.now() / 1000);
  }

  async add(counts: ReadonlyMap<string, number>): Promise<void> {
    if (!this.counts.has(COUNTED_SINCE)) this.counts.set(COUNTED_SINCE, this.#nowSeconds());
    for (const [key, by] of counts) this.counts.set(key, (this.counts.get(key) ?? 0) + by);
  }

  async read(): Promise<Map<string, number>> {
    return new Map(this.counts);
  }
}
