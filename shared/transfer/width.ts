/**
 * How many requests go to a store at once, found out by what they bring (reference/transfer.md §6): more as long as more connections
 * bring more bytes, then about as many as were needed, with a try for more now and then. Fewer only when the store keeps refusing:
 * single refusals are everyday, and cutting at each would end at one connection.
 */

export const STEER_MS = 200;
const GROWTH = 1.6;
/** Bytes must grow by so much to be worth more connections. */
const GAIN_MIN = 1.12;
const FLAT_STEPS_MAX = 2;
/** Held above what was needed, so that one slow connection does not show. */
const HOLD_FACTOR = 1.1;
const PROBE_FACTOR = 1.25;
const PROBE_STEPS = 10;
const CUT_FACTOR = 0.7;
const CUT_STEPS_MIN = 3;
const OUTCOMES = 50;
const THROTTLED_SHARE = 0.05;

export type WidthOptions = { start: number; min: number; max: number };

type Phase =
  /** `best`: the most bytes that a step brought, and with how many connections. */
  | { is: "growing"; best: { bytes: number; width: number }; flat: number }
  | { is: "holding"; bytes: number; steps: number }
  /** Tries more for a step, and goes back to `width` when that brings nothing. */
  | { is: "probing"; bytes: number; width: number };

export class Width {
  readonly #options: WidthOptions;
  #width: number;
  #phase: Phase;
  /** Of the last requests: whether the store refused for now. */
  readonly #outcomes: boolean[] = [];
  #stepsSinceCut = 0;
  /** The bytes of the step after a change say more about the change itself: new connections begin slowly. */
  #isSettling = true;

  /** @param isKnown the start is what was found out before: it is held, or it would grow by a little with each transfer. */
  constructor(options: WidthOptions, isKnown = false) {
    this.#options = options;
    this.#width = clamp(options.start, options);
    this.#phase = isKnown ? { is: "holding", bytes: 0, steps: 0 } : { is: "growing", best: { bytes: 0, width: this.#width }, flat: 0 };
  }

  get now(): number {
    return Math.round(this.#width);
  }

  /** What to start with next time; null while too little was seen. */
  get learned(): number | null {
    const phase = this.#phase;
    if (phase.is === "growing") return phase.best.bytes === 0 ? null : Math.round(phase.best.width);
    return phase.is === "probing" ? Math.round(phase.width) : this.now;
  }

  /** Told of every request that ended. */
  ended(throttled: boolean): void {
    this.#outcomes.push(throttled);
    if (this.#outcomes.length > OUTCOMES) this.#outcomes.shift();
  }

  /**
   * Every STEER_MS.
   * @param bytes that came since the last step
   * @param isFull whether all connections were in use, and more work waited; without, nothing can be learned about more
   */
  step(bytes: number, isFull: boolean): void {
    this.#stepsSinceCut++;
    if (this.#isThrottled()) this.#cut(bytes);
    else if (this.#isSettling) this.#isSettling = bytes === 0;
    else if (isFull) this.#steer(bytes);
  }

  #steer(bytes: number): void {
    const phase = this.#phase;
    switch (phase.is) {
      case "growing":
        this.#grow(phase, bytes);
        break;
      case "holding":
        // The mean of what holding brings is what a probe has to beat.
        phase.bytes += phase.bytes === 0 ? bytes : (bytes - phase.bytes) / 4;
        if (++phase.steps >= PROBE_STEPS) this.#probe(phase.bytes);
        break;
      case "probing":
        if (bytes > phase.bytes * GAIN_MIN) this.#growFrom(bytes);
        else this.#hold(phase.width, phase.bytes);
        break;
      default:
        phase satisfies never;
    }
  }

  #grow(phase: Phase & { is: "growing" }, bytes: number): void {
    if (bytes > phase.best.bytes * GAIN_MIN) {
      this.#growFrom(bytes);
      return;
    }
    phase.flat++;
    if (phase.flat >= FLAT_STEPS_MAX) this.#hold(phase.best.width * HOLD_FACTOR, phase.best.bytes);
  }

  #growFrom(bytes: number): void {
    this.#phase = { is: "growing", best: { bytes, width: this.#width }, flat: 0 };
    this.#set(this.#width * GROWTH);
  }

  #hold(width: number, bytes: number): void {
    this.#set(width);
    this.#phase = { is: "holding", bytes, steps: 0 };
  }

  #probe(bytes: number): void {
    this.#phase = { is: "probing", bytes, width: this.#width };
    this.#set(this.#width * PROBE_FACTOR + 1);
  }

  #isThrottled(): boolean {
    const throttled = this.#outcomes.filter(Boolean).length;
    return this.#stepsSinceCut >= CUT_STEPS_MIN && throttled >= 2 && throttled > this.#outcomes.length * THROTTLED_SHARE;
  }

  #cut(bytes: number): void {
    this.#stepsSinceCut = 0;
    this.#outcomes.length = 0;
    this.#hold(this.#width * CUT_FACTOR, bytes);
  }

  #set(width: number): void {
    const before = this.now;
    this.#width = clamp(width, this.#options);
    this.#isSettling = this.now !== before;
  }
}

function clamp(width: number, { min, max }: WidthOptions): number {
  return Math.min(max, Math.max(min, width));
}
