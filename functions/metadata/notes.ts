/** Notes on Redis: what recovery knows of this index. */
import type { Notes } from "../registry/ports.ts";
import { integerOf, type RedisCommands, textOrNull } from "./commands.ts";
import type { Keys } from "./keys.ts";
import { NOTE } from "./lua.ts";

export class RedisNotes implements Notes {
  readonly #commands: RedisCommands;
  readonly #keys: Keys;

  constructor(commands: RedisCommands, keys: Keys) {
    this.#commands = commands;
    this.#keys = keys;
  }

  async read(name: string): Promise<string | null> {
    return textOrNull(await this.#commands.script(NOTE.read, [this.#keys.note(name)], []));
  }

  async swap(name: string, expected: string | null, text: string): Promise<boolean> {
    return integerOf(await this.#commands.script(NOTE.swap, [this.#keys.note(name)], [expected ?? "", text])) === 1;
  }
}
