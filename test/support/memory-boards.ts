/** Boards in memory. */
import type { Boards, Clock } from "../../functions/registry/ports.ts";

export class MemoryBoards implements Boards {
  readonly boards = new Map<string, { texts: Map<string, string>; untilMs: number }>();
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async write(board: string, texts: Readonly<Record<string, string>>, seconds: number): Promise<void> {
    const merged = new Map([...this.#texts(board), ...Object.entries(texts)]);
    this.boards.set(board, { texts: merged, untilMs: this.#clock.now() + seconds * 1000 });
  }

  async read(boards: readonly string[]): Promise<Map<string, string>[]> {
    return boards.map((board) => new Map(this.#texts(board)));
  }

  async wipe(board: string, names: readonly string[]): Promise<void> {
    for (const name of names) this.boards.get(board)?.texts.delete(name);
  }

  #texts(board: string): Map<string, string> {
    const kept = this.boards.get(board);
    return kept === undefined || kept.untilMs <= this.#clock.now() ? new Map() : kept.texts;
  }
}
