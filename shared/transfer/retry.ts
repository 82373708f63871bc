/** When to ask a store again, and when to give up: full jitter, a bound for each chunk, and one budget for all. */
import { FerryError } from "../errors.ts";
import type { Machine, StoreAnswer } from "./ports.ts";

const BACKOFF_BASE_MS = 200;
const BACKOFF_MAX_MS = 10_000;
const RETRY_AFTER_MAX_SECONDS = 60;
/** Tries of one chunk that come back with nothing, one after another. */
const TRIES_MAX = 10;

/**
 * One budget for a whole transfer: a store that fails now and then costs little, one that fails always is given up soon, however many
 * chunks there are. Every success earns a retry, up to the first stock.
 */
export class RetryBudget {
  readonly #stock: number;
  #left: number;

  constructor(stock = 100) {
    this.#stock = stock;
    this.#left = stock;
  }

  earn(): void {
    this.#left = Math.min(this.#stock, this.#left + 1);
  }

  /** It is spent on another store from now on. */
  refill(): void {
    this.#left = this.#stock;
  }

  take(): boolean {
    if (this.#left < 1) return false;
    this.#left--;
    return true;
  }
}

/** The tries of one chunk. */
export class Tries {
  readonly #what: string;
  readonly #machine: Machine;
  readonly #budget: RetryBudget;
  #failed = 0;

  constructor(what: string, machine: Machine, budget: RetryBudget) {
    this.#what = what;
    this.#machine = machine;
    this.#budget = budget;
  }

  /** Bytes came: the store is there, and failures before them no longer count. */
  progress(): void {
    this.#failed = 0;
  }

  succeed(): void {
    this.#budget.earn();
  }

  /** Waits until the next try. Throws TRANSFER_FAILED or TRANSFER_STALLED when there is none. */
  async fail(answer: StoreAnswer, signal: AbortSignal): Promise<void> {
    this.#failed++;
    if (this.#failed >= TRIES_MAX || !this.#budget.take()) throw failure(this.#what, answer);
    const ceilingMs = Math.min(BACKOFF_MAX_MS, BACKOFF_BASE_MS * 2 ** (this.#failed - 1));
    const askedMs = answer.kind === "answered" ? Math.min(answer.retryAfterSeconds, RETRY_AFTER_MAX_SECONDS) * 1000 : 0;
    const jitterMs = this.#machine.random() * ceilingMs;
    // Whoever is told a time by the store still spreads out after it.
    await this.#machine.sleep(askedMs + jitterMs, signal);
  }
}

function failure(what: string, answer: StoreAnswer): FerryError {
  if (answer.kind === "answered") return new FerryError("TRANSFER_FAILED", { what, problem: statusText(answer) });
  if (answer.stalledSeconds === undefined) return new FerryError("TRANSFER_FAILED", { what, problem: answer.problem });
  return new FerryError("TRANSFER_STALLED", { what, seconds: answer.stalledSeconds });
}

/** For people; never the URL, which is a secret. */
export function statusText({ status, code }: { status: number; code: string }): string {
  return code === "" ? `status ${status}` : `status ${status} ${code}`;
}

/** Whether the same request may succeed later: the store is busy, slow or restarting. */
export function isTransient({ status, code }: { status: number; code: string }): boolean {
  return status >= 500 || status === 429 || status === 408 || code === "RequestTimeout" || code === "OperationAborted";
}
