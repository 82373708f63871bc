/** When to ask a store again, and when to give up: full jitter, a bound for each chunk, and one budget for all. */
import { FerryError } from "../errors.ts";
import type { Machine, StoreAnswer } from "./ports.ts";

const BACKOFF_BASE_MS = 200;
const BACKOFF_MAX_MS = 10_000;
const RETRY_AFTER_MAX_SECONDS = 60;
/** Tries of one chunk that come back with nothing, one after another. */
const TRIES_MAX = 10;
/** So many failures of all chunks together, without any success between, double the waits of all. */
const FRUITLESS_STEP = 16;
/** But for no longer than this: a store that is back should not be waited for. */
const SHARED_MAX_MS = 3_200;

/**
 * One budget for a whole transfer: a store that fails now and then costs little, one that fails always is asked less and less, and left
 * or given up, however many chunks there are. Every success earns a retry, up to the first stock.
 */
export class RetryBudget {
  /** How long a chunk's store may give nothing when there is no other one. */
  readonly patienceMs: number;
  readonly #stock: number;
  #left: number;
  #fruitless = 0;

  constructor(stock = 100, patienceMs = 0) {
    this.patienceMs = patienceMs;
    this.#stock = stock;
    this.#left = stock;
  }

  /** The longest wait that the store's state asks of everybody. */
  get ceilingMs(): number {
    return Math.min(SHARED_MAX_MS, BACKOFF_BASE_MS * 2 ** Math.floor(this.#fruitless / FRUITLESS_STEP));
  }

  earn(): void {
    this.#left = Math.min(this.#stock, this.#left + 1);
    this.#fruitless = 0;
  }

  /** It is spent on another store from now on. */
  refill(): void {
    this.#left = this.#stock;
    this.#fruitless = 0;
  }

  take(): boolean {
    this.#fruitless++;
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
  /** When the first of them failed. */
  #sinceMs = 0;

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

  /** Waits until the next try. Throws TRANSFER_FAILED or TRANSFER_STALLED when the store should be left for another one. */
  async fail(answer: StoreAnswer, signal: AbortSignal): Promise<void> {
    if (this.#failed++ === 0) this.#sinceMs = this.#machine.nowMs();
    const isLeft = this.#budget.take();
    if (this.#failed >= TRIES_MAX || !isLeft) throw failure(this.#what, answer);
    const askedMs = answer.kind === "answered" ? Math.min(answer.retryAfterSeconds, RETRY_AFTER_MAX_SECONDS) * 1000 : 0;
    // Whoever is told a time by the store still spreads out after it.
    await this.#machine.sleep(askedMs + this.#jitterMs(), signal);
  }

  /** There is no other store: waits until the next try, or throws what `fail` threw when that has gone on for long enough. */
  async endure(failed: unknown, signal: AbortSignal): Promise<void> {
    const isPassing = failed instanceof FerryError && (failed.code === "TRANSFER_FAILED" || failed.code === "TRANSFER_STALLED");
    if (!isPassing || this.#machine.nowMs() - this.#sinceMs >= this.#budget.patienceMs) throw failed;
    await this.#machine.sleep(this.#jitterMs(), signal);
  }

  #jitterMs(): number {
    const ownMs = BACKOFF_BASE_MS * 2 ** (this.#failed - 1);
    return this.#machine.random() * Math.min(BACKOFF_MAX_MS, Math.max(ownMs, this.#budget.ceilingMs));
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
