/** What the bench's S3 server does to its clients: late, slow, stalled and refused answers. Only requests for data are hit. */
import * as z from "zod";

/** A share of requests, and what it costs them. */
const Chance = z.object({ share: z.number().min(0).max(1), ms: z.number().min(0) });

export const Faults = z.object({
  /** Time before the answer's first byte, of every request. */
  ttfbMs: z.number().min(0).default(0),
  /** Bytes a second of one connection; 0: no limit. */
  rate: z.number().min(0).default(0),
  /** Bytes a second of all connections together; 0: no limit. */
  global: z.number().min(0).default(0),
  /** Share of requests that are answered with 503 SlowDown. */
  p503: z.number().min(0).max(1).default(0),
  /** Requests a second that are served, the rest is answered with 503 SlowDown; 0: no limit. */
  rps: z.number().min(0).default(0),
  /** Such a share of answers stops in the middle for so long. */
  stall: Chance.default({ share: 0, ms: 0 }),
  /** Such a share of answers begins so much later. */
  tail: Chance.default({ share: 0, ms: 0 }),
  /** Smaller objects are spared: a registry's own records are not what is tried here. */
  minBytes: z
    .number()
    .min(0)
    .default(64 * 1024),
  seed: z.number().default(1),
});
export type Faults = z.infer<typeof Faults>;

export const NO_FAULTS: Faults = Faults.parse({});

/** What one request has to bear. `stallAtByte` of the answer's body: null when it does not stall. */
export type Fate = { refused: boolean; delayMs: number; stallAtByte: number | null; stallMs: number };

const SPARED: Fate = { refused: false, delayMs: 0, stallAtByte: null, stallMs: 0 };

/** Draws fates. The same seed gives the same draws in the same order, so that each client meets the like. */
export class Fates {
  readonly faults: Faults;
  readonly #random: () => number;
  readonly #gate: Pace;

  constructor(faults: Faults) {
    this.faults = faults;
    this.#random = seeded(faults.seed);
    this.#gate = new Pace(faults.rps);
  }

  draw(sizeBytes: number, nowMs: number): Fate {
    const { faults } = this;
    if (sizeBytes < faults.minBytes) return SPARED;
    const refused = this.#random() < faults.p503 || !this.#gate.admits(nowMs);
    const isTail = this.#random() < faults.tail.share;
    const isStall = this.#random() < faults.stall.share;
    return {
      refused,
      delayMs: faults.ttfbMs + (isTail ? faults.tail.ms : 0),
      stallAtByte: isStall ? Math.floor(this.#random() * sizeBytes) : null,
      stallMs: isStall ? faults.stall.ms : 0,
    };
  }
}

/** An even pace of `perSecond` units (0: any): a clock of when the next unit is due. */
export class Pace {
  readonly #perMs: number;
  /** Units of one second may come at once after a pause. */
  readonly #burstMs = 1000;
  #dueMs = 0;

  constructor(perSecond: number) {
    this.#perMs = perSecond / 1000;
  }

  /** Takes `units` and says how long to wait for them. */
  take(units: number, nowMs: number): number {
    if (this.#perMs === 0) return 0;
    this.#dueMs = Math.max(this.#dueMs, nowMs) + units / this.#perMs;
    return this.#dueMs - nowMs;
  }

  /** Whether one more unit is within the pace; nothing is taken when it is not. */
  admits(nowMs: number): boolean {
    if (this.#perMs === 0) return true;
    const dueMs = Math.max(this.#dueMs, nowMs - this.#burstMs) + 1 / this.#perMs;
    if (dueMs > nowMs) return false;
    this.#dueMs = dueMs;
    return true;
  }
}

/** How long all of `paces` want to wait for so many bytes. */
export function waitMs(paces: readonly Pace[], sizeBytes: number): number {
  const now = performance.now();
  return paces.reduce((longest, pace) => Math.max(longest, pace.take(sizeBytes, now)), 0);
}

/** Numbers from 0 to 1 (mulberry32, public domain). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
