/** Brings one chunk into a part: by one connection, or, when others have nothing to do any more, in pieces by several. */
import { FerryError } from "../errors.ts";
import { Crew } from "./crew.ts";
import type { EndGame } from "./end-game.ts";
import { type PieceEnd, PiecePull, type PiecePulling } from "./pull-piece.ts";

/** Whole chunks that came with another digest: the first, and two more. */
const CORRUPT_MAX = 3;

export type ChunkPulling = Omit<PiecePulling, "mayTurn"> & { endGame: EndGame };

/** Throws DIGEST_INVALID naming chunk and store, what pull-piece.ts throws, and what the ports throw. */
export async function pullChunk(pulling: ChunkPulling): Promise<void> {
  const puller = new ChunkPuller(pulling);
  await puller.run();
  pulling.links.release(pulling.chunk.sha256);
}

class ChunkPuller {
  readonly #pulling: ChunkPulling;
  #corrupt = 0;

  constructor(pulling: ChunkPulling) {
    this.#pulling = pulling;
  }

  async run(): Promise<void> {
    for (;;) {
      const { isRight, store } = await this.#bring();
      if (isRight) return;
      if (++this.#corrupt >= CORRUPT_MAX) await this.#turnFrom(store);
    }
  }

  /** All bytes, once. */
  async #bring(): Promise<{ isRight: boolean; store: string }> {
    const { chunk } = this.#pulling;
    const first = new PiecePull({ ...this.#pulling, mayTurn: true }, { from: 0, to: chunk.size });
    const helpers = new Helpers(this.#pulling);
    try {
      for (;;) {
        const { kind, store } = await helpers.watch(first);
        if (kind !== "there") return { isRight: kind === "held", store };
        if (await helpers.finish()) return { isRight: await this.#join(), store };
        // What help could not do, the first does by itself: its hash goes on where it is.
        first.piece.to = chunk.size;
      }
    } finally {
      await helpers.stop();
    }
  }

  async #join(): Promise<boolean> {
    const { part, chunk, signal } = this.#pulling;
    return (await part.join(chunk, signal)).kind === "held";
  }

  async #turnFrom(store: string): Promise<void> {
    const { links, chunk } = this.#pulling;
    if (!(await links.turnFrom(store, chunk.sha256))) {
      throw new FerryError("DIGEST_INVALID", { what: `a chunk from store ${store}`, expected: chunk.sha256 });
    }
    this.#corrupt = 0;
  }
}

/** Pieces of one chunk that others bring. */
class Helpers {
  readonly #pulling: ChunkPulling;
  #crew: Crew | null = null;
  #failed = false;

  constructor(pulling: ChunkPulling) {
    this.#pulling = pulling;
  }

  /** Runs a piece, and lets it be halved meanwhile. */
  async watch(pull: PiecePull): Promise<PieceEnd> {
    const { endGame, chunk } = this.#pulling;
    const running = { leftBytes: () => pull.leftBytes, halve: (bytes: number) => this.#halve(pull, bytes) };
    if (chunk.places.length === 1) endGame.enter(running);
    try {
      return await pull.run();
    } finally {
      endGame.leave(running);
    }
  }

  /** Waits for all. Whether every piece is there. */
  async finish(): Promise<boolean> {
    await this.#crew?.finish();
    const isWhole = !this.#failed;
    this.#failed = false;
    return isWhole;
  }

  /** Nothing of them runs any more afterwards. */
  async stop(): Promise<void> {
    await this.#crew?.abandon(new Error("not needed any more")).catch(() => {});
  }

  /** @param bytes at the end, for the helper. */
  async #halve(pull: PiecePull, bytes: number): Promise<void> {
    const { part, chunk, signal } = this.#pulling;
    const { to } = pull.piece;
    if (!(await part.limit(chunk, pull.piece, to - bytes))) return;
    pull.piece.to = to - bytes;
    this.#crew ??= new Crew(signal);
    const helping: PiecePulling = { ...this.#pulling, mayTurn: false, signal: this.#crew.signal };
    this.#crew.start(async () => {
      try {
        await this.watch(new PiecePull(helping, { from: to - bytes, to }));
      } catch {
        // The first piece goes on to the end, and tells what is wrong.
        this.#failed = true;
      }
    });
  }
}
