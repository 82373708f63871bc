/** Counters in memory. */
import type { Counters } from "../../functions/registry/counters.ts";

export class MemoryCounters implements Counters {
  readonly counts = new Map<string, number>();

  async add(counts: ReadonlyMap<string, number>): Promise<void> {
    for (const [key, by] of counts) this.counts.set(key, (this.counts.get(key) ?? 0) + by);
  }

  async read(): Promise<Map<string, number>> {
    return new Map(this.counts);
  }
}
