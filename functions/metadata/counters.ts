/** Counters on Redis: one hash. */
import { COUNTED_SINCE, type Counters } from "../registry/counters.ts";
import { integerOf, listOf, type RedisCommands, textOf } from "./commands.ts";
import type { Keys } from "./keys.ts";
import { script } from "./lua.ts";

/** ARGV: the field of when counting began, field, by how much, … */
export const ADD_COUNTS = script(`
redis.call('HSETNX', KEYS[1], ARGV[1], redis.call('TIME')[1])
for i = 2, #ARGV, 2 do redis.call('HINCRBY', KEYS[1], ARGV[i], ARGV[i + 1]) end
return 1`);
const SLICE = 1_000;

export class RedisCounters implements Counters {
  readonly #commands: RedisCommands;
  readonly #key: string;

  constructor(commands: RedisCommands, keys: Keys) {
    this.#commands = commands;
    this.#key = keys.counters;
  }

  async add(counts: ReadonlyMap<string, number>): Promise<void> {
    const entries = [...counts];
    for (let at = 0; at < entries.length; at += SLICE)
      integerOf(await this.#commands.script(ADD_COUNTS, [this.#key], [COUNTED_SINCE, ...entries.slice(at, at + SLICE).flat()]));
  }

  async read(): Promise<Map<string, number>> {
    const [reply] = await this.#commands.pipeline([["HGETALL", this.#key]]);
    const flat = listOf(reply);
    const counts = new Map<string, number>();
    for (let at = 0; at + 1 < flat.length; at += 2) counts.set(textOf(flat[at]), integerOf(flat[at + 1]));
    return counts;
  }
}
