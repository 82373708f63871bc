/**
 * Rates of one identity: requests, and URLs that it is given.
 *
 * What is spent was taken from the bucket that all isolates share before. An identity that asks often is given some requests ahead, so
 * that not every one asks the index: up to 32 for five seconds, and what is not spent by then is gone. So beyond its rate an identity may
 * send at most 31 requests through each isolate that it reaches, once in five seconds; URLs are never given ahead.
 */
import { FerryError } from "../../shared/errors.ts";
import type { Caller, Ports, Taken, Want } from "./ports.ts";

const AHEAD_MAX = 32;
const AHEAD_MS = 5_000;
/** Who spends what was given ahead within this time is given twice as many the next time. */
const BUSY_MS = 1_000;
const REMEMBERED_MAX = 10_000;

export type Spending = { requests: number; urls: number };
/** What is left of a quota, as the answer's headers tell it. */
export type Budget = { name: "requests" | "urls"; quota: number; left: number; fullMs: number };
export type Spent = { budgets: Budget[]; refusal: FerryError | null };

type NamedWant = Want & { name: Budget["name"] };
type Ahead = { credit: number; untilMs: number; takenAtMs: number; size: number; budget: Budget | null };

export class RateLimits {
  readonly #ports: Ports;
  readonly #ahead = new Map<string, Ahead>();

  constructor(ports: Ports) {
    this.#ports = ports;
  }

  /** One command at most. While the index takes no writes nobody is limited. */
  async spend({ tokenId }: Caller, { requests, urls }: Spending): Promise<Spent> {
    const nowMs = this.#ports.clock.now();
    const ahead = this.#aheadOf(tokenId, nowMs);
    const missing = Math.max(0, requests - ahead.credit);
    const size = nextSize(ahead, nowMs);
    const { requestsPerMinute, urlsPerMinute } = this.#ports.limits;
    const wants: NamedWant[] = [];
    if (missing > 0) wants.push(wantOf("requests", tokenId, requestsPerMinute, missing, missing + size - 1));
    if (urls > 0) wants.push(wantOf("urls", tokenId, urlsPerMinute, urls, urls));
    const taken = wants.length === 0 ? [] : await takeOrPass(this.#ports, wants, nowMs);
    if (taken === null) return { budgets: [], refusal: null };
    const refusal = refusalOf(wants, taken);
    const budgets = wants.map(({ name, perMinute }, at) => budgetOf(name, perMinute, taken[at]));
    if (missing > 0) this.#give(tokenId, ahead, { taken: taken[0], size, budget: budgets.shift() ?? null, nowMs });
    if (refusal === null) ahead.credit = Math.max(0, ahead.credit - requests);
    return { budgets: [...toldOf(ahead), ...budgets], refusal };
  }

  /** What is still to be spent; an empty one when there is nothing. */
  #aheadOf(tokenId: string, nowMs: number): Ahead {
    const ahead = this.#ahead.get(tokenId);
    if (ahead !== undefined && ahead.untilMs > nowMs) return ahead;
    return { credit: 0, untilMs: nowMs, takenAtMs: nowMs, size: 0, budget: null };
  }

  /** Also when nothing was given: what is left is told then too. */
  #give(tokenId: string, ahead: Ahead, given: { taken: Taken | undefined; size: number; budget: Budget | null; nowMs: number }): void {
    ahead.budget = given.budget;
    const count = given.taken?.taken ?? 0;
    if (count === 0) return;
    ahead.credit += count;
    ahead.size = given.size;
    ahead.takenAtMs = given.nowMs;
    ahead.untilMs = given.nowMs + AHEAD_MS;
    if (this.#ahead.size >= REMEMBERED_MAX) this.#ahead.clear();
    this.#ahead.set(tokenId, ahead);
  }

  /** Of what a whole address may do, for callers who are nobody yet. Throws RATE_LIMITED. */
  async spendOf(subscriber: string, perMinute: number): Promise<void> {
    const wants = [{ name: "exchanges from this address", bucket: `exchanges:${subscriber}`, perMinute, least: 1, most: 1 }];
    const taken = await takeOrPass(this.#ports, wants, this.#ports.clock.now());
    const refusal = taken === null ? null : refusalOf(wants, taken);
    if (refusal !== null) throw refusal;
  }
}

function wantOf(name: Budget["name"], tokenId: string, perMinute: number, least: number, most: number): NamedWant {
  return { name, bucket: `${name}:${tokenId}`, perMinute, least, most };
}

function toldOf({ budget, credit }: Ahead): Budget[] {
  return budget === null ? [] : [{ ...budget, left: budget.left + credit }];
}

/** One at first, twice as many for who was quick. */
function nextSize(ahead: Ahead, nowMs: number): number {
  if (ahead.size === 0) return 1;
  return nowMs - ahead.takenAtMs < BUSY_MS ? Math.min(AHEAD_MAX, 2 * ahead.size) : ahead.size;
}

function budgetOf(name: Budget["name"], quota: number, taken: Taken | undefined): Budget {
  return { name, quota, left: taken?.left ?? 0, fullMs: taken?.fullMs ?? 0 };
}

function refusalOf(wants: readonly { name: string }[], taken: readonly Taken[]): FerryError | null {
  const waitMs = Math.max(...taken.map((one) => one.waitMs));
  const at = taken.findIndex((one) => one.waitMs > 0 && one.waitMs === waitMs);
  if (at < 0) return null;
  const name = wants[at]?.name;
  return new FerryError("RATE_LIMITED", { what: name === "urls" ? "presigned URLs" : name, retryAfterSeconds: Math.ceil(waitMs / 1000) });
}

/** Null while the index takes no writes: when it is full pulls go on, and nothing here guards more than a rate. */
export async function takeOrPass(ports: Ports, wants: readonly Want[], nowMs: number): Promise<Taken[] | null> {
  try {
    return await ports.meters.take(wants, nowMs);
  } catch (error) {
    if (error instanceof FerryError && error.code === "INDEX_UNAVAILABLE") return null;
    throw error;
  }
}
