/** The part that both memory indexes share: how far a log is applied, what is whole, and the ring of operations. */
import type { FoundOperation, LogHead } from "../../functions/registry/ports.ts";
import type { Digest } from "../../shared/digest.ts";
import { FerryError } from "../../shared/errors.ts";
import type { OperationId } from "../../shared/names.ts";

type Link = { seq: number; prev: Digest | null; operationId: OperationId };
type Live<S> = { seq: number; hash: Digest | null; replayTo: number; state: S; ring: Map<number, OperationId>; lost: Set<string> };

const RING = 256;

/** `S` is what the records add up to; it must survive structuredClone. */
export class MemoryLog<S, R extends Link> {
  #live: Live<S> | null = null;
  readonly #empty: () => S;
  readonly #fold: (state: S, record: R) => void;

  constructor(empty: () => S, fold: (state: S, record: R) => void) {
    this.#empty = empty;
    this.#fold = fold;
  }

  head(): LogHead | null {
    const live = this.#live;
    return live === null || live.lost.size > 0 || live.seq < live.replayTo ? null : { seq: live.seq, hash: live.hash };
  }

  begin(tailSeq: number): LogHead {
    if (this.#live === null || this.#live.lost.size > 0) {
      this.#live = { seq: 0, hash: null, replayTo: tailSeq, state: this.#empty(), ring: new Map(), lost: new Set() };
    }
    this.#live.replayTo = Math.max(this.#live.replayTo, tailSeq);
    return { seq: this.#live.seq, hash: this.#live.hash };
  }

  /** Whether the record is applied now, and was not before. */
  apply(record: R, hash: Digest): boolean {
    const live = this.#live;
    if (live === null || live.lost.size > 0) throw new FerryError("INDEX_REBUILDING");
    const forked = (record.seq === live.seq && hash !== live.hash) || (record.seq === live.seq + 1 && record.prev !== live.hash);
    if (forked) this.#live = null;
    if (forked || record.seq > live.seq + 1) throw new FerryError("INDEX_REBUILDING");
    if (record.seq <= live.seq) return false;
    this.#fold(live.state, structuredClone(record));
    live.ring.set(record.seq, record.operationId);
    live.ring.delete(record.seq - RING);
    [live.seq, live.hash] = [record.seq, hash];
    return true;
  }

  /**
   * The state, for an answer made from `parts`. Throws INDEX_REBUILDING when one of them or the head is lost, a replay is unfinished, or
   * it is at less than `fence`.
   */
  read(fence: number, ...parts: string[]): Live<S> {
    const live = this.#live;
    if (live === null || live.seq < live.replayTo || live.seq < fence || parts.some((part) => live.lost.has(part)))
      throw new FerryError("INDEX_REBUILDING");
    return live;
  }

  findOperation(fence: number, operationId: OperationId): FoundOperation {
    const { ring, seq: headSeq } = this.read(fence);
    for (const [seq, id] of ring) if (id === operationId) return { seq, headSeq };
    return { seq: null, headSeq };
  }

  /** As if the key `part` had vanished; "head" takes everything with it. */
  lose(part: string): void {
    if (part === "head") this.#live = null;
    else this.#live?.lost.add(part);
  }

  /** Returns what puts everything back as it is now: a consistent rollback. */
  snapshot(): () => void {
    const kept = structuredClone(this.#live);
    return () => {
      this.#live = structuredClone(kept);
    };
  }
}
