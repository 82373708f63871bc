/** Fetches pieces of chunks into parts of files: hashes them as they arrive, and writes them where they belong. */
import { createHash, type Hash } from "node:crypto";
import type { Digest } from "../../shared/digest.ts";
import { Placing } from "../../shared/transfer/placing.ts";
import type { FetchAnswer, MoveOptions, Piece, WantedChunk } from "../../shared/transfer/ports.ts";
import { MiB } from "../../shared/units.ts";
import type { Arena } from "./arena.ts";
import { DirectWriter } from "./direct-writer.ts";
import { unwritable } from "./fs-errors.ts";
import { hashRange, readBuffer } from "./hash-range.ts";
import type { FetchTask, JoinAnswer, JoinTask, LimitTask, PartFile } from "./mover.ts";
import { CachedWriter, type PartWriter } from "./part-writer.ts";
import type { BodySink, GetAnswer, Transport } from "./transport.ts";

/** Shorter chunks are mostly odd bytes at both ends. */
const DIRECT_BYTES_MIN = MiB;
/** About what a connection has on its way. */
const LIMIT_AHEAD_BYTES = MiB;

/** A piece of which the beginning is there. `hash` of the chunk's first one; `to`: where it ends by now. */
type Begun = { hash: Hash | null; placing: Placing; to: number; writer: PartWriter };

function makeBegun({ part, chunk, piece }: FetchTask): Begun {
  const placing = new Placing(chunk.places, (bytes, fileOffset) => begun.writer.write(bytes, fileOffset), piece.from);
  const begun: Begun = { hash: piece.from === 0 ? createHash("sha256") : null, placing, to: piece.to, writer: new CachedWriter(part) };
  return begun;
}

/** Thrown in the middle of an answer: what follows belongs to another piece. */
const REACHED = new Error("the piece is there");

export class Fetcher {
  readonly #transport: Transport;
  readonly #arena: Arena;
  /** By part, then by chunk and first byte. */
  readonly #begun = new Map<number, Map<string, Begun>>();

  constructor(transport: Transport, arena: Arena) {
    this.#transport = transport;
    this.#arena = arena;
  }

  async fetch(task: FetchTask, options: MoveOptions): Promise<FetchAnswer> {
    const { part, chunk, piece } = task;
    const begun = this.#begin(task);
    begun.to = piece.to;
    // All bytes came, but the answer did not end: nothing is left to ask for.
    const isThere = begun.placing.offset >= begun.to;
    const answer = isThere ? ({ kind: "complete" } as const) : await this.#receive(begun, task, options);
    if (answer.kind !== "complete") return { ...answer, reachedBytes: begun.placing.offset };
    if (begun.hash !== null && begun.to < chunk.size) return { kind: "there" };
    this.#begun.get(part.id)?.delete(nameOf(chunk.sha256, piece.from));
    return begun.hash === null ? { kind: "there" } : endOf(begun.hash, chunk);
  }

  limit({ part, sha256, from, to }: LimitTask): boolean {
    const begun = this.#begun.get(part)?.get(nameOf(sha256, from));
    // What is on its way already would be thrown away.
    if (begun === undefined || to >= begun.to || to < begun.placing.offset + LIMIT_AHEAD_BYTES) return false;
    begun.to = to;
    return true;
  }

  async join({ part, chunk }: JoinTask, signal: AbortSignal): Promise<JoinAnswer> {
    const name = nameOf(chunk.sha256, 0);
    const begun = this.#begun.get(part.id)?.get(name);
    const [place] = chunk.places;
    if (begun?.hash === undefined || begun.hash === null || place === undefined) throw new Error("nothing to join the pieces to");
    this.#begun.get(part.id)?.delete(name);
    const from = begun.placing.offset;
    const range = { fd: part.fd, from: place.fileOffset + from, to: place.fileOffset + chunk.size };
    try {
      await hashRange(begun.hash, range, readBuffer(chunk.size), signal);
    } catch (error) {
      signal.throwIfAborted();
      throw unwritable(part.path, error);
    }
    return endOf(begun.hash, chunk);
  }

  async #receive(begun: Begun, { part, chunk, piece, url }: FetchTask, options: MoveOptions): Promise<GetAnswer> {
    const { placing } = begun;
    const writer = this.#writer(part, chunk);
    begun.writer = writer;
    const request = { url, offset: placing.offset, end: piece.to, sizeBytes: chunk.size };
    try {
      return await this.#transport.get(request, sinkOf(begun, piece), options);
    } catch (error) {
      if (error === REACHED) return { kind: "complete" };
      throw error;
    } finally {
      // Also after a failure: the memory belongs to the next one then.
      await writer.flush().finally(() => writer.close());
    }
  }

  /** Many short places of a chunk are better gathered by the page cache. */
  #writer(part: PartFile, chunk: WantedChunk): PartWriter {
    const { directFd } = part;
    const isLong = chunk.places.length === 1 && chunk.size >= DIRECT_BYTES_MIN;
    const pair = directFd !== null && isLong ? this.#arena.takePair() : null;
    return directFd === null || pair === null ? new CachedWriter(part) : new DirectWriter({ ...part, directFd }, this.#arena, pair);
  }

  forget(part: number): void {
    this.#begun.delete(part);
  }

  #begin(task: FetchTask): Begun {
    const { part, chunk, piece } = task;
    const ofPart = this.#begun.get(part.id) ?? new Map<string, Begun>();
    this.#begun.set(part.id, ofPart);
    const name = nameOf(chunk.sha256, piece.from);
    const begun = ofPart.get(name) ?? makeBegun(task);
    ofPart.set(name, begun);
    return begun;
  }
}

function nameOf(sha256: Digest, from: number): string {
  return `${sha256} ${from}`;
}

function sinkOf(begun: Begun, { to }: Piece): BodySink {
  const { placing, writer } = begun;
  return {
    pieceBytesMax: writer.pieceBytesMax,
    restart: () => {
      if (begun.hash !== null) begun.hash = createHash("sha256");
      placing.restart();
      writer.restart();
    },
    write: (bytes: Uint8Array) => {
      const wanted = begun.to - placing.offset;
      const taken = bytes.length > wanted ? bytes.subarray(0, wanted) : bytes;
      begun.hash?.update(taken);
      placing.push(taken);
      if (begun.to < to && placing.offset === begun.to) throw REACHED;
      return writer.room();
    },
  };
}

function endOf(hash: Hash, { sha256 }: WantedChunk): JoinAnswer {
  return hash.digest("hex") === sha256 ? { kind: "held" } : { kind: "corrupt" };
}
