/** Brings one chunk into a part: asks for its URL, fetches, and decides what each answer of the store means. */
import { FerryError } from "../errors.ts";
import type { Link, Links } from "./links.ts";
import type { FetchAnswer, Machine, Part, StoreAnswer, WantedChunk } from "./ports.ts";
import type { Progress } from "./progress.ts";
import { isTransient, type RetryBudget, statusText, Tries } from "./retry.ts";
import type { Semaphore } from "./semaphore.ts";

/** Fresh URLs refused one after another: it is not their age. */
const RENEWALS_MAX = 3;
/** Whole chunks that came with another digest: the first, and two more. */
const CORRUPT_MAX = 3;

export type ChunkPulling = {
  part: Part;
  chunk: WantedChunk;
  links: Links;
  connections: Semaphore;
  machine: Machine;
  budget: RetryBudget;
  progress: Progress;
  signal: AbortSignal;
};

/** Throws DIGEST_INVALID naming chunk and store, TRANSFER_FAILED, TRANSFER_STALLED, TRANSFER_REFUSED, and what the ports throw. */
export async function pullChunk(pulling: ChunkPulling): Promise<void> {
  await new ChunkPuller(pulling).run();
  pulling.links.release(pulling.chunk.sha256);
}

class ChunkPuller {
  readonly #pulling: ChunkPulling;
  readonly #tries: Tries;
  #refused = 0;
  #corrupt = 0;
  #reachedBytes = 0;

  constructor(pulling: ChunkPulling) {
    this.#pulling = pulling;
    this.#tries = new Tries(`chunk ${pulling.chunk.sha256}`, pulling.machine, pulling.budget);
  }

  async run(): Promise<void> {
    const { signal } = this.#pulling;
    let refused: Link | undefined;
    for (;;) {
      const { answer, link } = await this.#fetch(refused);
      refused = undefined;
      if (answer.kind === "held") return this.#tries.succeed();
      if (answer.kind === "corrupt") {
        this.#countCorrupt(link.store);
        continue;
      }
      this.#noteProgress(answer.reachedBytes);
      if (answer.kind === "broken" || isTransient(answer)) await this.#tries.fail(answer, signal);
      else if (answer.status === 403) refused = this.#countRefused(answer, link);
      else throw this.#refusal(answer);
    }
  }

  #fetch(refused: Link | undefined): Promise<{ answer: FetchAnswer; link: Link }> {
    const { part, chunk, links, connections, progress, signal } = this.#pulling;
    const onBytes = (bytes: number) => progress.moved(bytes);
    // The URL is taken when the connection is there, not before: it ages.
    return connections.use(signal, async () => {
      const link = await links.get(chunk.sha256, refused);
      return { answer: await part.fetch(chunk, link.url, { signal, onBytes }), link };
    });
  }

  /** Failures count only while nothing new comes, or a slow store could not give a long chunk at all. */
  #noteProgress(reachedBytes: number): void {
    if (reachedBytes <= this.#reachedBytes) return;
    this.#reachedBytes = reachedBytes;
    this.#refused = 0;
    this.#tries.progress();
  }

  #countRefused(answer: StoreAnswer & { kind: "answered" }, link: Link): Link {
    if (++this.#refused > RENEWALS_MAX) throw this.#refusal(answer);
    return link;
  }

  #countCorrupt(store: string): void {
    if (++this.#corrupt < CORRUPT_MAX) return;
    throw new FerryError("DIGEST_INVALID", { what: `a chunk from store ${store}`, expected: this.#pulling.chunk.sha256 });
  }

  #refusal(answer: StoreAnswer & { kind: "answered" }): FerryError {
    return new FerryError("TRANSFER_REFUSED", { what: `chunk ${this.#pulling.chunk.sha256}`, problem: statusText(answer) });
  }
}
