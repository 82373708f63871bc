import { randomBytes } from "node:crypto";
import { setTimeout } from "node:timers/promises";
import type { Machine } from "../../shared/transfer/ports.ts";

/** Time and chance of this process. */
export const MACHINE: Machine = {
  nowMs: () => performance.now(),
  sleep: async (ms, signal) => {
    try {
      await setTimeout(ms, undefined, signal === undefined ? {} : { signal });
    } catch {
      // The timer's own AbortError hides the reason.
      signal?.throwIfAborted();
    }
  },
  random: Math.random,
  operationId: () => randomBytes(16).toString("hex"),
};
