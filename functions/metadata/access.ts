/** What is known about callers on Redis: last uses of tokens, short tokens, meters. In no log, so lost with the index. */
import * as z from "zod";
import { Scope, WhoAmI } from "../../shared/contract/access.ts";
import type { Digest } from "../../shared/digest.ts";
import { Network } from "../../shared/networks.ts";
import type { Caller, Meters, ShortTokens, Taken, TokenUses, Want } from "../registry/ports.ts";
import { answersTo, integerOf, type RedisCommands, textOrNull, unavailable } from "./commands.ts";
import type { Keys } from "./keys.ts";
import { ACCESS } from "./lua-access.ts";

const HOUR_MS = 3_600_000;
const FIELDS_MAX = 4_000;

export class RedisTokenUses implements TokenUses {
  readonly #commands: RedisCommands;
  readonly #key: string;

  constructor(commands: RedisCommands, keys: Keys) {
    this.#commands = commands;
    this.#key = keys.uses;
  }

  async note(tokenId: string, atMs: number): Promise<void> {
    integerOf(await this.#commands.script(ACCESS.note, [this.#key], [tokenId, atMs, atMs - HOUR_MS]));
  }

  /** May come from a copy that lags. */
  async lastUsed(tokenIds: readonly string[]): Promise<(number | null)[]> {
    const times: (number | null)[] = [];
    for (let at = 0; at < tokenIds.length; at += FIELDS_MAX) {
      const slice = tokenIds.slice(at, at + FIELDS_MAX);
      const [reply] = await this.#commands.pipeline([["HMGET", this.#key, ...slice]]);
      times.push(...answersTo(slice.length, reply).map((time) => (time === null ? null : integerOf(time))));
    }
    return times;
  }
}

const KnownCaller = z.object({
  tokenId: z.string(),
  name: z.string(),
  kind: WhoAmI.shape.kind,
  scopes: z.array(Scope),
  networks: z.array(Network),
  expiresAt: z.string().nullable(),
  person: z.object({ sub: z.string(), email: z.string().nullable(), groups: z.array(z.string()) }).optional(),
});

export class RedisShortTokens implements ShortTokens {
  readonly #commands: RedisCommands;
  readonly #keys: Keys;

  constructor(commands: RedisCommands, keys: Keys) {
    this.#commands = commands;
    this.#keys = keys;
  }

  async keep(hash: Digest, caller: Caller, seconds: number): Promise<void> {
    const [reply] = await this.#commands.pipeline([["SET", this.#keys.shortToken(hash), JSON.stringify(caller), "EX", seconds]]);
    if (reply !== "OK") throw unavailable("it did not say that it kept the value");
  }

  /** By a script, where writes are acknowledged: a token is used at once after it was made. */
  async find(hash: Digest): Promise<Caller | null> {
    const text = textOrNull(await this.#commands.script(ACCESS.short, [this.#keys.shortToken(hash)], []));
    if (text === null) return null;
    const caller = KnownCaller.safeParse(JSON.parse(text));
    if (!caller.success) throw unavailable("it holds an entry that can't be read");
    return caller.data;
  }
}

export class RedisMeters implements Meters {
  readonly #commands: RedisCommands;
  readonly #keys: Keys;

  constructor(commands: RedisCommands, keys: Keys) {
    this.#commands = commands;
    this.#keys = keys;
  }

  async take(wants: readonly Want[], nowMs: number): Promise<Taken[]> {
    const keys = wants.map(({ bucket }) => this.#keys.meter(bucket));
    const args = wants.flatMap(({ perMinute, least, most }) => [perMinute, least, most]);
    const reply = await this.#commands.script(ACCESS.take, keys, [nowMs, ...args]);
    return answersTo(wants.length, reply).map((answer) => {
      const [taken, left, waitMs, fullMs] = answersTo(4, answer).map(integerOf);
      return { taken: taken ?? 0, left: left ?? 0, waitMs: waitMs ?? 0, fullMs: fullMs ?? 0 };
    });
  }
}
