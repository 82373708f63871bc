/** Deliveries of webhooks on Redis, and the memory of what came in. Losing them costs what was not delivered yet. */
import * as z from "zod";
import type { Claim, Deliveries, Delivery, DeliveryEntry, Outcome } from "../registry/hooks/ports.ts";
import { integerOf, listOf, type RedisCommands, type Reply, textOf, unavailable } from "./commands.ts";
import type { Keys } from "./keys.ts";
import { HOOKS } from "./lua-hooks.ts";

/** Of one webhook; those that are over are forgotten with the rest. */
const KEPT = 5_000;
/** Of one call; a message is some hundred bytes. */
const SLICE = 100;

const Kept = z.object({
  id: z.string(),
  webhook: z.string(),
  event: z.string(),
  type: z.string(),
  createdAtMs: z.number(),
  body: z.string(),
});
const Last = z.object({ atMs: z.number(), status: z.int().nullable(), problem: z.string().nullable() });
const State = z.enum(["waiting", "delivered", "failed"]);

export class RedisDeliveries implements Deliveries {
  readonly #commands: RedisCommands;
  readonly #keys: Keys["hooks"];

  constructor(commands: RedisCommands, { hooks }: Keys) {
    this.#commands = commands;
    this.#keys = hooks;
  }

  async enqueue(webhook: string, deliveries: readonly Delivery[], dueMs: number): Promise<void> {
    for (let at = 0; at < deliveries.length; at += SLICE) {
      const slice = deliveries.slice(at, at + SLICE).flatMap((one) => [one.id, one.createdAtMs, JSON.stringify(one)]);
      integerOf(await this.#commands.script(HOOKS.enqueue, this.#of(webhook), [dueMs, KEPT, ...slice]));
    }
  }

  async claim(nowMs: number, untilMs: number, limit: number): Promise<Claim[]> {
    return claimsIn(await this.#commands.script(HOOKS.claim, this.#all(), [nowMs, untilMs, limit]));
  }

  async take(id: string, untilMs: number): Promise<Claim | null> {
    return claimsIn(await this.#commands.script(HOOKS.take, this.#all(), [id, untilMs]))[0] ?? null;
  }

  async settle({ delivery, fence }: Claim, { state, dueMs, last }: Outcome): Promise<boolean> {
    const args = [delivery.id, fence, state, dueMs ?? "", JSON.stringify(last)];
    return integerOf(await this.#commands.script(HOOKS.settle, this.#all(), args)) === 1;
  }

  async find(id: string): Promise<DeliveryEntry | null> {
    return entriesIn(await this.#commands.script(HOOKS.list, this.#all(), [id]))[0] ?? null;
  }

  async list(webhook: string, limit: number): Promise<DeliveryEntry[]> {
    return entriesIn(await this.#commands.script(HOOKS.list, this.#of(webhook), [limit]));
  }

  async drop(webhook: string): Promise<void> {
    integerOf(await this.#commands.script(HOOKS.drop, this.#of(webhook), []));
  }

  async waiting(): Promise<number> {
    const [count] = await this.#commands.pipeline([["ZCARD", this.#keys.queue]]);
    return integerOf(count);
  }

  async begin(id: string, seconds: number): Promise<"new" | "busy" | "done"> {
    const state = textOf(await this.#commands.script(HOOKS.begin, [this.#keys.came(id)], [seconds]));
    if (state === "new" || state === "busy" || state === "done") return state;
    throw unavailable("it holds a message that can't be read");
  }

  async end(id: string, seconds: number): Promise<void> {
    const key = this.#keys.came(id);
    await this.#commands.pipeline([seconds === 0 ? ["DEL", key] : ["SET", key, "done", "EX", seconds]]);
  }

  #all(): string[] {
    return [this.#keys.queue, this.#keys.deliveries];
  }

  #of(webhook: string): string[] {
    return [...this.#all(), this.#keys.of(webhook)];
  }
}

function claimsIn(reply: Reply): Claim[] {
  const flat = listOf(reply);
  const claims: Claim[] = [];
  for (let at = 0; at + 2 < flat.length; at += 3)
    claims.push({ delivery: read(Kept, textOf(flat[at])), fence: integerOf(flat[at + 1]), attempts: integerOf(flat[at + 2]) });
  return claims;
}

function entriesIn(reply: Reply): DeliveryEntry[] {
  const flat = listOf(reply);
  const entries: DeliveryEntry[] = [];
  for (let at = 0; at + 2 < flat.length; at += 3) {
    const [, attempts, state, last] = /^\d+\|(\d+)\|(\w+)\|(.*)$/s.exec(textOf(flat[at + 1])) ?? [];
    const due = textOf(flat[at + 2]);
    const known = State.safeParse(state);
    if (!known.success) throw unavailable("it holds a delivery that can't be read");
    entries.push({
      delivery: read(Kept, textOf(flat[at])),
      state: known.data,
      attempts: Number(attempts),
      last: last === undefined || last === "" ? null : read(Last, last),
      dueMs: due === "" ? null : Math.round(Number(due)),
    });
  }
  return entries;
}

function read<S extends z.ZodType>(schema: S, text: string): z.output<S> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw unavailable("it holds a delivery that can't be read");
  }
  const parsed = schema.safeParse(value);
  if (!parsed.success) throw unavailable("it holds a delivery that can't be read");
  return parsed.data;
}
