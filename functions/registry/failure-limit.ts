/**
 * A limit on refused credentials, by address. It is held before anything is looked up, by what this isolate remembers; what the address
 * did elsewhere is heard at its first failure here. So beyond the limit an address gets one look-up from each isolate, no more.
 */
import { FerryError } from "../../shared/errors.ts";
import { subscriberOf } from "../../shared/networks.ts";
import type { Ports } from "./ports.ts";
import { takeOrPass } from "./rate-limits.ts";

const REMEMBERED_MAX = 10_000;

export class FailureLimit {
  readonly #ports: Ports;
  readonly #blockedUntilMs = new Map<string, number>();

  constructor(ports: Ports) {
    this.#ports = ports;
  }

  /** Throws RATE_LIMITED while the address is over its limit. */
  refuse(address: string | null): void {
    const subscriber = nameOf(address);
    const untilMs = this.#blockedUntilMs.get(subscriber);
    if (untilMs === undefined) return;
    const waitMs = untilMs - this.#ports.clock.now();
    if (waitMs > 0) throw limited(waitMs);
    this.#blockedUntilMs.delete(subscriber);
  }

  /** Counts a failure. Throws RATE_LIMITED when it is one too many. */
  async count(address: string | null): Promise<void> {
    const subscriber = nameOf(address);
    const nowMs = this.#ports.clock.now();
    const perMinute = this.#ports.limits.failuresPerMinute;
    const taken = (await takeOrPass(this.#ports, [{ bucket: `failures:${subscriber}`, perMinute, least: 1, most: 1 }], nowMs))?.[0];
    if (taken === undefined || taken.taken > 0) return;
    if (this.#blockedUntilMs.size >= REMEMBERED_MAX) this.#blockedUntilMs.clear();
    this.#blockedUntilMs.set(subscriber, nowMs + taken.waitMs);
    throw limited(taken.waitMs);
  }
}

/** All whose address is not known count as one. */
function nameOf(address: string | null): string {
  return (address === null ? null : subscriberOf(address)) ?? "unknown";
}

function limited(waitMs: number): FerryError {
  return new FerryError("RATE_LIMITED", { what: "wrong tokens from this address", retryAfterSeconds: Math.ceil(waitMs / 1000) });
}
