/**
 * What is usual at one store, and which requests are so far out of it that asking again is better than waiting: a first byte that is
 * late, silence in the middle, a connection far slower than the others, an answer that does not follow a body (reference/transfer.md §6).
 * A budget keeps this from doing harm: when all of a store is slow, asking again makes it slower.
 *
 * Time passes by `tick`, and a long step counts as a short one: while this thread was busy, bytes may have come that it did not see.
 */

export const TICK_MS = 100;
const TICK_COUNTED_MS_MAX = 2 * TICK_MS;
const SAMPLES = 64;
const SAMPLES_MIN = 6;
const FIRST_BYTE_MS_MIN = 250;
const FIRST_BYTE_FACTOR = 4;
const SILENCE_MS_MIN = 1000;
const SILENCE_FACTOR = 10;
const ANSWER_MS_MIN = 2000;
const ANSWER_FACTOR = 5;
const RATE_TICKS = 20;
const RATE_FACTOR = 4;
/** Fewer say nothing about what is usual. */
const RATE_CONNECTIONS_MIN = 4;
const BUDGET_WINDOW_MS = 10_000;
const BUDGET_SHARE = 0.1;
const BUDGET_MIN = 2;
const PATIENCE_MAX = 16;
/** So many requests in time make a patient one less patient again. */
const PATIENCE_REQUESTS = 16;

/** Why a request was given up. `replaced`: another one will do better. `stalled`: nothing moved for as long as may be. */
export type GivenUp = "replaced" | "stalled";

export type WatchOptions = {
  /** Bytes that are to move. */
  bytes: number;
  kind: "get" | "put";
  /** It takes the place of one that was given up. */
  isReplacement: boolean;
  giveUp: (why: GivenUp) => void;
};

export class Pace {
  readonly #stallMs: number;
  readonly #watches = new Set<Watch>();
  readonly #firstByte = new Samples();
  readonly #gap = new Samples();
  readonly #answer = new Samples();
  /** Times of the last requests and replacements, on this clock. */
  readonly #requests: number[] = [];
  readonly #replacements: number[] = [];
  #nowMs = 0;
  #patience = 1;
  #inTime = 0;

  constructor(stallMs: number) {
    this.#stallMs = stallMs;
  }

  get isIdle(): boolean {
    return this.#watches.size === 0;
  }

  begin(options: WatchOptions): Watch {
    if (!options.isReplacement) this.#requests.push(this.#nowMs);
    const watch = new Watch(options, (answered) => {
      this.#watches.delete(watch);
      if (answered) this.#learnLast(watch);
    });
    this.#watches.add(watch);
    return watch;
  }

  /** @param elapsedMs since the last one. */
  tick(elapsedMs: number): void {
    const countedMs = Math.min(elapsedMs, TICK_COUNTED_MS_MAX);
    this.#nowMs += countedMs;
    for (const times of [this.#requests, this.#replacements]) forgetBefore(times, this.#nowMs - BUDGET_WINDOW_MS);
    const usualRate = this.#usualRate();
    for (const watch of [...this.#watches]) {
      this.#learn(watch, watch.tick(countedMs));
      const why = this.#judge(watch, usualRate);
      if (why !== null) watch.giveUp(why);
    }
  }

  #learn(watch: Watch, heard: Heard): void {
    if (heard.kind === "gap") this.#gap.add(heard.ms);
    if (heard.kind === "first-byte") this.#learnFirstByte(watch, heard.ms);
  }

  /** Most requests for small chunks begin and end between two ticks. */
  #learnLast(watch: Watch): void {
    if (watch.phase === "answer") this.#answer.add(watch.silentMs);
    if (watch.phase === "head") this.#learnFirstByte(watch, watch.silentMs);
    if (watch.phase === "head" || watch.phase === "receiving") this.#gap.add(watch.silentMs);
  }

  #learnFirstByte(watch: Watch, ms: number): void {
    const isInTime = ms <= this.#limit(this.#firstByte, FIRST_BYTE_MS_MIN, FIRST_BYTE_FACTOR) / this.#patience;
    if (isInTime && ++this.#inTime % PATIENCE_REQUESTS === 0) this.#patience = Math.max(1, this.#patience / 2);
    // A replacement that is slow, too, says that the store is.
    if (!isInTime && watch.isReplacement) this.#patience = Math.min(PATIENCE_MAX, this.#patience * 2);
    this.#firstByte.add(ms);
  }

  #judge(watch: Watch, usualRate: number | null): GivenUp | null {
    if (watch.silentMs >= this.#stallMs) return "stalled";
    const isSlow = watch.silentMs > this.#silenceLimitMs(watch) || (usualRate !== null && watch.isSlowerThan(usualRate / RATE_FACTOR));
    if (!isSlow || !this.#mayReplace()) return null;
    if (watch.isReplacement) this.#patience = Math.min(PATIENCE_MAX, this.#patience * 2);
    this.#replacements.push(this.#nowMs);
    return "replaced";
  }

  #silenceLimitMs({ phase }: Watch): number {
    switch (phase) {
      case "head":
        return this.#limit(this.#firstByte, FIRST_BYTE_MS_MIN, FIRST_BYTE_FACTOR);
      case "receiving":
        return this.#limit(this.#gap, SILENCE_MS_MIN, SILENCE_FACTOR);
      case "answer":
        return this.#limit(this.#answer, ANSWER_MS_MIN, ANSWER_FACTOR);
      // What was sent of a body would be sent again.
      case "sending":
        return Number.POSITIVE_INFINITY;
      default:
        return phase satisfies never;
    }
  }

  #limit(samples: Samples, leastMs: number, factor: number): number {
    const median = samples.median;
    return median === null ? Number.POSITIVE_INFINITY : Math.max(leastMs, factor * median) * this.#patience;
  }

  #usualRate(): number | null {
    const rates = [...this.#watches].flatMap((watch) => watch.rate ?? []).sort((a, b) => a - b);
    return rates.length < RATE_CONNECTIONS_MIN ? null : (rates[rates.length >> 1] ?? null);
  }

  #mayReplace(): boolean {
    return this.#replacements.length < Math.max(BUDGET_MIN, BUDGET_SHARE * this.#requests.length);
  }
}

function forgetBefore(times: number[], ms: number): void {
  const first = times.findIndex((time) => time >= ms);
  times.splice(0, first < 0 ? times.length : first);
}

type Phase = "head" | "receiving" | "sending" | "answer";
type Heard = { kind: "nothing" | "first-byte" | "gap"; ms: number };
const NOTHING: Heard = { kind: "nothing", ms: 0 };

/** One request on its way. */
export class Watch {
  phase: Phase;
  /** How long nothing has moved, or, before the first byte and after a body, how long it takes. */
  silentMs = 0;
  readonly isReplacement: boolean;
  readonly giveUp: (why: GivenUp) => void;
  readonly #end: (answered: boolean) => void;
  #leftBytes: number;
  #movedBytes = 0;
  #pauses = 0;
  /** Bytes by tick, the newest last; starts anew after a pause. */
  #byTick: number[] = [];

  constructor({ kind, bytes, isReplacement, giveUp }: WatchOptions, end: (answered: boolean) => void) {
    this.phase = kind === "get" ? "head" : "sending";
    this.#leftBytes = bytes;
    this.isReplacement = isReplacement;
    this.giveUp = giveUp;
    this.#end = end;
  }

  moved(bytes: number): void {
    this.#movedBytes += bytes;
    this.#leftBytes -= bytes;
  }

  /** Waits for something on this side, a disk or a cap, until `resume`. */
  pause(): void {
    this.#pauses++;
  }

  resume(): void {
    this.#pauses--;
  }

  /** The whole body of a PUT is on its way. */
  sent(): void {
    this.phase = "answer";
    this.silentMs = 0;
  }

  /** The request is over; `answered`: whole. */
  end(answered: boolean): void {
    this.#end(answered);
  }

  /** Bytes by tick over the last ones; null when it has not been going for as long. */
  get rate(): number | null {
    return this.#byTick.length < RATE_TICKS ? null : this.#byTick.reduce((sum, bytes) => sum + bytes, 0) / RATE_TICKS;
  }

  /** Slower, and with more left than that rate brings in a second. */
  isSlowerThan(bytesByTick: number): boolean {
    const rate = this.rate;
    return this.phase === "receiving" && rate !== null && rate < bytesByTick && this.#leftBytes > (rate * 1000) / TICK_MS;
  }

  tick(elapsedMs: number): Heard {
    const movedBytes = this.#movedBytes;
    this.#movedBytes = 0;
    if (this.#pauses > 0) {
      [this.#byTick, this.silentMs] = [[], 0];
      return NOTHING;
    }
    this.silentMs += elapsedMs;
    if (this.phase === "receiving" || movedBytes > 0) this.#byTick.push(movedBytes);
    if (this.#byTick.length > RATE_TICKS) this.#byTick.shift();
    if (movedBytes === 0) return NOTHING;
    const ms = this.silentMs;
    this.silentMs = 0;
    if (this.phase === "sending" || this.phase === "answer") return NOTHING;
    const kind = this.phase === "head" ? "first-byte" : "gap";
    this.phase = "receiving";
    return { kind, ms };
  }
}

/** The last so many values. Asked for their median at every request, they are kept in order. */
class Samples {
  readonly #values: number[] = [];
  readonly #sorted: number[] = [];

  add(value: number): void {
    this.#values.push(value);
    this.#sorted.splice(placeOf(value, this.#sorted), 0, value);
    const oldest = this.#values.length > SAMPLES ? this.#values.shift() : undefined;
    if (oldest !== undefined) this.#sorted.splice(placeOf(oldest, this.#sorted), 1);
  }

  /** Null while there are too few. */
  get median(): number | null {
    const { length } = this.#sorted;
    return length < SAMPLES_MIN ? null : (this.#sorted[length >> 1] ?? null);
  }
}

/** Where the first that is not less than `value` is, or would be. */
function placeOf(value: number, sorted: readonly number[]): number {
  let [from, to] = [0, sorted.length];
  while (from < to) {
    const middle = (from + to) >> 1;
    if ((sorted[middle] ?? value) < value) from = middle + 1;
    else to = middle;
  }
  return from;
}
