/** A cap on bytes per second, shared by all connections of a transfer. */
import type { Machine } from "../../shared/transfer/ports.ts";

/** How much may pass at once after a pause. */
const BURST_SECONDS = 0.25;

export class Throttle {
  readonly #bytesPerSecond: number | undefined;
  readonly #machine: Machine;
  /** The time at which everything let through so far would have passed at the cap. */
  #paidUntilMs = 0;

  constructor(bytesPerSecond: number | undefined, machine: Machine) {
    this.#bytesPerSecond = bytesPerSecond;
    this.#machine = machine;
  }

  /** Counts bytes that have passed. Null, or how long the next ones must wait; an abort ends the wait. */
  spend(bytes: number, signal: AbortSignal): Promise<void> | null {
    if (this.#bytesPerSecond === undefined) return null;
    const nowMs = this.#machine.nowMs();
    const earliestMs = nowMs - BURST_SECONDS * 1000;
    this.#paidUntilMs = Math.max(this.#paidUntilMs, earliestMs) + (bytes / this.#bytesPerSecond) * 1000;
    const waitMs = this.#paidUntilMs - nowMs;
    return waitMs <= 0 ? null : this.#machine.sleep(waitMs, signal).catch(() => {});
  }
}
