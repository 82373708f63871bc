/**
 * Which agents read a chunk here, and did. A chunk that everybody wants at once is given to a few at a time; the others are told who has it
 * by then, or gets it now, and ask there: so copies double instead of queueing, however many nodes there are for one owner.
 */
import type { Digest } from "../../shared/digest.ts";

/** Agents that get one chunk at once. */
const AT_ONCE_MAX = 8;
const REMEMBERED_MAX = 32;
const CHUNKS_MAX = 4096;

type Readers = { active: number; ids: string[] };

export class ChunkReaders {
  readonly #chunks = new Map<Digest, Readers>();

  isFull(sha256: Digest): boolean {
    return (this.#chunks.get(sha256)?.active ?? 0) >= AT_ONCE_MAX;
  }

  /** Returns what to call when it has ended; `whole`: the agent has the chunk. */
  begin(sha256: Digest, id: string): (whole: boolean) => void {
    const readers = this.#chunks.get(sha256) ?? { active: 0, ids: [] };
    this.#chunks.delete(sha256);
    this.#chunks.set(sha256, readers);
    readers.active++;
    readers.ids = [...readers.ids.filter((other) => other !== id), id].slice(-REMEMBERED_MAX);
    this.#forget();
    return (whole) => {
      readers.active--;
      if (!whole) readers.ids = readers.ids.filter((other) => other !== id);
    };
  }

  /** The newest last. */
  of(sha256: Digest): readonly string[] {
    return this.#chunks.get(sha256)?.ids ?? [];
  }

  #forget(): void {
    for (const [sha256, { active }] of this.#chunks) {
      if (this.#chunks.size <= CHUNKS_MAX) return;
      if (active === 0) this.#chunks.delete(sha256);
    }
  }
}
