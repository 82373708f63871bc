/** What is known about callers, in memory: last uses of tokens, short tokens, meters. */
import type { Caller, Clock, Meters, ShortTokens, Taken, TokenUses, Want } from "../../functions/registry/ports.ts";
import type { Digest } from "../../shared/digest.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;

export class MemoryTokenUses implements TokenUses {
  readonly times = new Map<string, number>();

  async note(tokenId: string, atMs: number): Promise<void> {
    if ((this.times.get(tokenId) ?? 0) <= atMs - HOUR_MS) this.times.set(tokenId, atMs);
  }

  async lastUsed(tokenIds: readonly string[]): Promise<(number | null)[]> {
    return tokenIds.map((id) => this.times.get(id) ?? null);
  }
}

export class MemoryShortTokens implements ShortTokens {
  readonly kept = new Map<Digest, { caller: Caller; untilMs: number }>();
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async keep(hash: Digest, caller: Caller, seconds: number): Promise<void> {
    this.kept.set(hash, { caller: structuredClone(caller), untilMs: this.#clock.now() + seconds * 1000 });
  }

  async find(hash: Digest): Promise<Caller | null> {
    const kept = this.kept.get(hash);
    return kept === undefined || kept.untilMs <= this.#clock.now() ? null : structuredClone(kept.caller);
  }
}

export class MemoryMeters implements Meters {
  /** When each bucket is full again. */
  readonly fullAtMs = new Map<string, number>();

  async take(wants: readonly Want[], nowMs: number): Promise<Taken[]> {
    const seen = wants.map((want) => {
      const busy = (this.fullAtMs.get(want.bucket) ?? nowMs) - nowMs;
      const busyMs = busy < 0 || busy > 10 * MINUTE_MS ? 0 : busy;
      const stepMs = MINUTE_MS / want.perMinute;
      const room = Math.floor((MINUTE_MS - busyMs) / stepMs + 1e-6);
      const need = Math.min(want.least, want.perMinute);
      return { ...want, busyMs, stepMs, room, need, waitMs: room < need ? Math.ceil(busyMs + need * stepMs - MINUTE_MS) : 0 };
    });
    const enough = seen.every(({ waitMs }) => waitMs === 0);
    return seen.map(({ bucket, need, most, busyMs, stepMs, room, waitMs }) => {
      if (!enough) return { taken: 0, left: Math.max(room, 0), waitMs, fullMs: Math.ceil(busyMs) };
      const taken = Math.max(need, Math.min(most, room));
      this.fullAtMs.set(bucket, nowMs + busyMs + taken * stepMs);
      return { taken, left: Math.max(room - taken, 0), waitMs: 0, fullMs: Math.ceil(busyMs + taken * stepMs) };
    });
  }
}
