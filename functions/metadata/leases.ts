/** Leases on Redis. They end by Redis's own clock, and are only claims: whoever relies on one checks its work by other means. */
import type { Leases } from "../registry/ports.ts";
import { type Command, integerOf, type RedisCommands } from "./commands.ts";
import type { Keys } from "./keys.ts";
import { LEASE } from "./lua.ts";

export class RedisLeases implements Leases {
  readonly #commands: RedisCommands;
  readonly #keys: Keys;

  constructor(commands: RedisCommands, keys: Keys) {
    this.#commands = commands;
    this.#keys = keys;
  }

  async acquire(name: string, owner: string, ttlMs: number): Promise<number | null> {
    const number = await this.#run(LEASE.acquire, name, [owner, ttlMs]);
    return number === 0 ? null : number;
  }

  async release(name: string, owner: string): Promise<void> {
    await this.#run(LEASE.release, name, [owner]);
  }

  async #run(script: string, name: string, args: Command): Promise<number> {
    const { lease, fence } = this.#keys.lease(name);
    return integerOf(await this.#commands.script(script, [lease, fence], args));
  }
}
