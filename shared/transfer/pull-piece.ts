/** Brings one piece of a chunk into a part: asks for its URL, fetches, and decides what each answer of the store means. */
import { FerryError } from "../errors.ts";
import type { Lanes } from "./lanes.ts";
import type { Link, Links } from "./links.ts";
import type { FetchAnswer, Machine, Part, Piece, StoreAnswer, WantedChunk } from "./ports.ts";
import type { Progress } from "./progress.ts";
import { isTransient, type RetryBudget, statusText, Tries } from "./retry.ts";

/** Fresh URLs refused one after another: it is not their age. */
const RENEWALS_MAX = 3;

export type PiecePulling = {
  part: Part;
  chunk: WantedChunk;
  links: Links;
  lanes: Lanes;
  machine: Machine;
  budget: RetryBudget;
  progress: Progress;
  /** Whether a store that fails may be left for another one. */
  mayTurn: boolean;
  signal: AbortSignal;
};

/** How it ended, and the store that the last bytes came from. */
export type PieceEnd = { kind: "held" | "there" | "corrupt"; store: string };

export class PiecePull {
  readonly piece: Piece;
  readonly #pulling: PiecePulling;
  #tries: Tries;
  #refused = 0;
  /** All bytes of the piece before this one are there, or on their way to the disk. */
  #reachedBytes: number;
  #bestBytes: number;

  constructor(pulling: PiecePulling, piece: Piece) {
    this.piece = piece;
    this.#pulling = pulling;
    this.#tries = this.#freshTries();
    this.#reachedBytes = this.#bestBytes = piece.from;
  }

  get leftBytes(): number {
    return Math.max(0, this.piece.to - this.#reachedBytes);
  }

  /** Until all of the piece is there, from whichever store has it. Throws TRANSFER_FAILED, TRANSFER_STALLED, TRANSFER_REFUSED, and what the ports throw. */
  async run(): Promise<PieceEnd> {
    let refused: Link | undefined;
    for (;;) {
      const { answer, link } = await this.#fetch(refused);
      refused = undefined;
      if (answer.kind === "held" || answer.kind === "there" || answer.kind === "corrupt") return this.#ended(answer.kind, link.store);
      this.#noteProgress(answer.reachedBytes);
      try {
        refused = await this.#overcome(answer, link);
      } catch (error) {
        await this.#turnElsewhere(error, link);
      }
    }
  }

  #ended(kind: PieceEnd["kind"], store: string): PieceEnd {
    if (kind !== "corrupt") this.#tries.succeed();
    return { kind, store };
  }

  async #fetch(refused: Link | undefined): Promise<{ answer: FetchAnswer; link: Link }> {
    const { part, chunk, links, lanes, progress, signal } = this.#pulling;
    const onBytes = (bytes: number) => {
      this.#reachedBytes += bytes;
      lanes.moved(bytes);
      progress.moved(bytes);
    };
    let link: Link | undefined;
    const answer = await lanes.use(signal, async () => {
      // The URL is taken when the connection is there, not before: it ages.
      link = await links.get(chunk.sha256, refused);
      return part.fetch(chunk, this.piece, link.url, { signal, onBytes });
    });
    if (link === undefined) throw new Error("a lane was used without a URL");
    return { answer, link };
  }

  /** Waits until the next try, if there is one. Returns the URL to be replaced. */
  async #overcome(answer: StoreAnswer, link: Link): Promise<Link | undefined> {
    if (answer.kind === "broken" || isTransient(answer)) await this.#tries.fail(answer, this.#pulling.signal);
    else if (answer.status !== 403 || ++this.#refused > RENEWALS_MAX) throw this.#refusal(answer);
    else return link;
    return undefined;
  }

  /** Another store may have the chunk; if none does, this one may come back. */
  async #turnElsewhere(error: unknown, { store }: Link): Promise<void> {
    const { links, chunk, budget, mayTurn, signal } = this.#pulling;
    signal.throwIfAborted();
    if (!mayTurn || !(error instanceof FerryError)) throw error;
    if (!(await links.turnFrom(store, chunk.sha256))) return this.#tries.endure(error, signal);
    budget.refill();
    this.#tries = this.#freshTries();
    this.#refused = 0;
  }

  /** Failures count only while nothing new comes, or a slow store could not give a long chunk at all. */
  #noteProgress(reachedBytes: number): void {
    this.#reachedBytes = reachedBytes;
    if (reachedBytes <= this.#bestBytes) return;
    this.#bestBytes = reachedBytes;
    this.#refused = 0;
    this.#tries.progress();
  }

  #freshTries(): Tries {
    const { chunk, machine, budget } = this.#pulling;
    return new Tries(`chunk ${chunk.sha256}`, machine, budget);
  }

  #refusal(answer: StoreAnswer & { kind: "answered" }): FerryError {
    return new FerryError("TRANSFER_REFUSED", { what: `chunk ${this.#pulling.chunk.sha256}`, problem: statusText(answer) });
  }
}
