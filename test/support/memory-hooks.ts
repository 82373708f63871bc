/** Deliveries in memory, and a world outside that answers as a test says. Answers are copies. */
import type { Claim, Deliveries, Delivery, DeliveryEntry, Outbound, Outcome, Post, Posted } from "../../functions/registry/hooks/ports.ts";
import type { Clock } from "../../functions/registry/ports.ts";

type Entry = DeliveryEntry & { fence: number };

export class MemoryDeliveries implements Deliveries {
  readonly entries = new Map<string, Entry>();
  readonly came = new Map<string, { state: "busy" | "done"; untilMs: number }>();
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async enqueue(_: string, deliveries: readonly Delivery[], dueMs: number): Promise<void> {
    for (const delivery of deliveries) {
      if (this.entries.has(delivery.id)) continue;
      this.entries.set(delivery.id, { delivery: { ...delivery }, state: "waiting", attempts: 0, last: null, dueMs, fence: 0 });
    }
  }

  async claim(nowMs: number, untilMs: number, limit: number): Promise<Claim[]> {
    const due = [...this.entries.values()].filter((entry) => entry.dueMs !== null && entry.dueMs <= nowMs);
    return due.slice(0, limit).map((entry) => claimed(entry, untilMs, entry.attempts + 1));
  }

  async take(id: string, untilMs: number): Promise<Claim | null> {
    const entry = this.entries.get(id);
    return entry === undefined ? null : claimed(entry, untilMs, 1);
  }

  async settle({ delivery, fence }: Claim, outcome: Outcome): Promise<boolean> {
    const entry = this.entries.get(delivery.id);
    if (entry?.fence !== fence) return false;
    Object.assign(entry, structuredClone(outcome));
    return true;
  }

  async find(id: string): Promise<DeliveryEntry | null> {
    return structuredClone(this.entries.get(id) ?? null);
  }

  async list(webhook: string, limit: number): Promise<DeliveryEntry[]> {
    const own = [...this.entries.values()].filter(({ delivery }) => delivery.webhook === webhook);
    return structuredClone(own.sort((a, b) => b.delivery.createdAtMs - a.delivery.createdAtMs).slice(0, limit));
  }

  async drop(webhook: string): Promise<void> {
    for (const { delivery } of this.entries.values()) if (delivery.webhook === webhook) this.entries.delete(delivery.id);
  }

  async waiting(): Promise<number> {
    return [...this.entries.values()].filter(({ dueMs }) => dueMs !== null).length;
  }

  async begin(id: string, seconds: number): Promise<"new" | "busy" | "done"> {
    const known = this.came.get(id);
    if (known !== undefined && known.untilMs > this.#clock.now()) return known.state;
    this.came.set(id, { state: "busy", untilMs: this.#clock.now() + seconds * 1000 });
    return "new";
  }

  async end(id: string, seconds: number): Promise<void> {
    if (seconds === 0) this.came.delete(id);
    else this.came.set(id, { state: "done", untilMs: this.#clock.now() + seconds * 1000 });
  }
}

function claimed(entry: Entry, untilMs: number, attempts: number): Claim {
  Object.assign(entry, { fence: entry.fence + 1, attempts, state: "waiting", dueMs: untilMs });
  return { delivery: { ...entry.delivery }, fence: entry.fence, attempts };
}

export class MemoryOutbound implements Outbound {
  readonly posts: Post[] = [];
  readonly privateHosts: string[] = [];
  answer: (post: Post) => Posted = () => ({ status: 204, retryAfterSeconds: null });

  async post(request: Post): Promise<Posted> {
    this.posts.push(structuredClone(request));
    return this.answer(request);
  }
}
