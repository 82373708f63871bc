/** Tries one idempotent act on a store again when the store did not answer, was busy, or failed. */
import type { Clock, Random } from "../registry/ports.ts";
import { isTransient, unavailable, understand } from "./failure.ts";

/** How one request is sent, and how long it may take. */
export type Wire = {
  readonly fetch: typeof fetch;
  readonly clock: Clock;
  readonly random: Random;
  /** Resolves after so many milliseconds. */
  readonly wait: (ms: number) => Promise<void>;
  /** Limit of one request, its answer's body included. */
  readonly timeoutMs: number;
};

const ATTEMPTS = 3;
const PAUSE_MS = 100;
/** No attempt begins later than this after the first: callers live in requests of at most 30 s. */
const LAST_BEGIN_MS = 12_000;

/**
 * The result of `act`. Throws STORAGE_UNAVAILABLE when it still fails in a way that may pass, and a StoreAnswer at once when the
 * store refuses it for good: the caller knows what that means.
 */
export async function attempt<T>(wire: Wire, store: string, act: () => Promise<T>): Promise<T> {
  const begunAtMs = wire.clock.now();
  for (let count = 1; ; count++) {
    try {
      return await act();
    } catch (error) {
      const failure = understand(error);
      if (!isTransient(failure)) throw failure;
      if (count === ATTEMPTS || wire.clock.now() - begunAtMs > LAST_BEGIN_MS) throw unavailable(store, failure.message);
    }
    await wire.wait(jittered(PAUSE_MS * 2 ** count, wire.random));
  }
}

/** Between half of `ms` and all of it, so that those who failed together do not come back together. */
function jittered(ms: number, random: Random): number {
  const [byte = 0] = random.bytes(1);
  return ms / 2 + (ms / 2) * (byte / 255);
}
