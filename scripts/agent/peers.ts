/** What this agent has seen of others: who lies, dies or crawls is left alone for a while, for longer each time. */
import type { RingPeer } from "../../shared/contract/agents.ts";

export type Fault = "lied" | "died" | "crawled" | "refused";

/** The first time; each further one doubles it, up to LEFT_MS_MAX. */
const LEFT_MS: Record<Fault, number> = { lied: 600_000, died: 3_000, crawled: 20_000, refused: 3_000 };
const LEFT_MS_MAX = 1_800_000;
const RATES_KEPT = 32;

type Standing = { faults: number; untilMs: number };

export class Peers {
  readonly #standings = new Map<string, Standing>();
  /** Of the newest chunks that came from peers. */
  readonly #rates: number[] = [];
  readonly #nowMs: () => number;
  readonly counts: Record<Fault, number> = { lied: 0, died: 0, crawled: 0, refused: 0 };

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  isLeft({ id }: RingPeer): boolean {
    return (this.#standings.get(id)?.untilMs ?? 0) > this.#nowMs();
  }

  blame({ id }: RingPeer, fault: Fault): void {
    const faults = (this.#standings.get(id)?.faults ?? 0) + 1;
    const leftMs = Math.min(LEFT_MS_MAX, LEFT_MS[fault] * 2 ** (faults - 1));
    this.counts[fault]++;
    // One burst of failures at once is one failure.
    if (!this.isLeft({ id, address: "", zone: "", weight: 1 }) || fault === "lied") {
      this.#standings.set(id, { faults, untilMs: this.#nowMs() + leftMs });
    }
  }

  praise({ id }: RingPeer, bytesPerSecond: number): void {
    this.#standings.delete(id);
    this.#rates.push(bytesPerSecond);
    if (this.#rates.length > RATES_KEPT) this.#rates.shift();
  }

  /** Of the newest chunks, in bytes per second; 0: there were none. */
  get usualRate(): number {
    const rates = [...this.#rates].sort((a, b) => a - b);
    return rates[rates.length >> 1] ?? 0;
  }

  get left(): number {
    const nowMs = this.#nowMs();
    return [...this.#standings.values()].filter(({ untilMs }) => untilMs > nowMs).length;
  }
}
