/** Boards on Redis: one hash each. Reads may come from a copy that lags; the next heartbeat sees what it missed. */
import type { Boards } from "../registry/ports.ts";
import { listOf, type RedisCommands, textOf } from "./commands.ts";
import type { Keys } from "./keys.ts";

export class RedisBoards implements Boards {
  readonly #commands: RedisCommands;
  readonly #keys: Keys;

  constructor(commands: RedisCommands, keys: Keys) {
    this.#commands = commands;
    this.#keys = keys;
  }

  async write(board: string, texts: Readonly<Record<string, string>>, seconds: number): Promise<void> {
    const key = this.#keys.board(board);
    await this.#commands.pipeline([
      ["HSET", key, ...Object.entries(texts).flat()],
      ["EXPIRE", key, seconds],
    ]);
  }

  async read(boards: readonly string[]): Promise<Map<string, string>[]> {
    if (boards.length === 0) return [];
    const replies = await this.#commands.pipeline(boards.map((board) => ["HGETALL", this.#keys.board(board)]));
    return replies.map((reply) => {
      const texts = listOf(reply).map(textOf);
      return new Map(texts.flatMap((name, at) => (at % 2 === 0 ? [[name, texts[at + 1] ?? ""] as const] : [])));
    });
  }

  async wipe(board: string, names: readonly string[]): Promise<void> {
    if (names.length > 0) await this.#commands.pipeline([["HDEL", this.#keys.board(board), ...names]]);
  }
}
