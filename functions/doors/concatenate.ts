/**
 * One stream of the pieces of a file, for clients that need one URL.
 *
 * The next piece is opened before the current one ends, so no round trip shows. A piece that gives nothing for five seconds is opened anew
 * where it stopped; clients of the Hub give up after ten. An object that is read from its first byte to its last is held against its
 * SHA-256, and the stream breaks off before its last bytes when they differ; of parts of objects nothing can be said, and is not said.
 * Whoever reads slowly slows down the stores; whoever goes away stops them.
 */
import { FerryError, problemOf } from "../../shared/errors.ts";
import type { Extent } from "../../shared/ranges.ts";
import { MiB } from "../../shared/units.ts";
import type { Catalog, Source } from "./catalog.ts";
import { type PartReader, partReader } from "./large-reads.ts";

/** How near its end a piece is when the next one is opened, and how much of those to come is opened before. */
const AHEAD_BYTES = 8 * MiB;
const AHEAD_PIECES = 3;
const REOPENED_MAX = 4;

type Piece = Extent<Source>;
type Opened = Promise<PartReader>;
export type ConcatenateOptions = { stallMs?: number | undefined };

/** The bytes of a stream of ours, one part after another, for who can do without the stream. Null after the last. */
export type Parts = { next(): Promise<Uint8Array | null>; leave(): void };

const STALL_MS = 5_000;
const partsOf = new WeakMap<ReadableStream, Parts>();

/** Whoever takes these leaves the stream alone. */
export function partsBehind(stream: ReadableStream): Parts | null {
  return partsOf.get(stream) ?? null;
}

export function concatenate(
  catalog: Pick<Catalog, "open" | "startHash">,
  pieces: readonly Piece[],
  { stallMs = STALL_MS }: ConcatenateOptions = {},
): ReadableStream<Uint8Array> {
  const chain = new Chain(catalog, pieces, stallMs);
  const stream = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const bytes = await chain.next();
          if (bytes === null) controller.close();
          else controller.enqueue(bytes);
        } catch (error) {
          chain.leave();
          controller.error(error);
        }
      },
      cancel: () => chain.leave(),
    },
    { highWaterMark: 0 },
  );
  partsOf.set(stream, chain);
  return stream;
}

class Chain implements Parts {
  readonly #catalog: Pick<Catalog, "open" | "startHash">;
  readonly #pieces: readonly Piece[];
  readonly #stop = new AbortController();
  readonly #stallMs: number;
  readonly #ahead: Opened[] = [];
  #at = 0;
  #read = 0;
  #reopened = 0;
  #reader: PartReader | null = null;
  #coming: ReturnType<PartReader["read"]> | null = null;
  #hashed: Promise<void> | void = undefined;
  #hash: ReturnType<Catalog["startHash"]> | null = null;

  constructor(catalog: Pick<Catalog, "open" | "startHash">, pieces: readonly Piece[], stallMs: number) {
    this.#catalog = catalog;
    this.#pieces = pieces;
    this.#stallMs = stallMs;
  }

  /** The next bytes; null after the last. */
  async next(): Promise<Uint8Array | null> {
    for (;;) {
      const piece = this.#pieces[this.#at];
      if (piece === undefined) return null;
      const bytes = await this.#bytesOf(piece);
      if (bytes === null || bytes.length === 0) continue;
      this.#read += bytes.length;
      if (this.#read > piece.length) throw new FerryError("SIZE_INVALID", { what: "a chunk", expected: piece.length, actual: this.#read });
      await this.#hashed;
      this.#hashed = this.#hash?.update(bytes);
      this.#openAhead(piece.length - this.#read);
      if (this.#read === piece.length) await this.#end(piece);
      return bytes;
    }
  }

  leave(): void {
    this.#stop.abort();
    this.#reader?.cancel().catch(() => {});
    for (const opened of this.#ahead.splice(0)) opened.then((reader) => reader.cancel()).catch(() => {});
  }

  /** Null when the piece has to be opened anew. */
  async #bytesOf(piece: Piece): Promise<Uint8Array | null> {
    try {
      this.#reader ??= await this.#begin(piece);
      const reader = this.#reader;
      const { done, value } = await inTime(this.#coming ?? reader.read(), this.#stallMs);
      this.#coming = null;
      if (!done && value !== undefined) {
        // One part is on its way while this one is hashed and sent on.
        if (this.#read + value.length < piece.length) this.#coming = reader.read();
        this.#coming?.catch(() => {});
        return value;
      }
      throw new FerryError("STORAGE_UNAVAILABLE", { store: "home", problem: "a chunk broke off" });
    } catch (error) {
      this.#stop.signal.throwIfAborted();
      if (++this.#reopened > REOPENED_MAX)
        throw error instanceof FerryError ? error : new FerryError("STORAGE_UNAVAILABLE", { store: "home", problem: problemOf(error) });
      this.#reader?.cancel().catch(() => {});
      this.#coming = null;
      this.#reader = await this.#open(piece, this.#read);
      return null;
    }
  }

  #begin(piece: Piece): Opened {
    const { of, offset, length } = piece;
    this.#hash = of.sha256 !== null && offset === 0 && length === of.sizeBytes ? this.#catalog.startHash() : null;
    return this.#ahead.shift() ?? this.#open(piece, 0);
  }

  async #open({ of, offset, length }: Piece, from: number): Opened {
    const opening = this.#catalog.open(of, { offset: offset + from, length: length - from }, this.#stop.signal);
    return partReader(await inTime(opening, 2 * this.#stallMs));
  }

  #openAhead(leftBytes: number): void {
    let bytes = leftBytes;
    for (let next = this.#at + 1; bytes <= AHEAD_BYTES && next <= this.#at + AHEAD_PIECES; next++) {
      const piece = this.#pieces[next];
      if (piece === undefined) return;
      if (next - this.#at > this.#ahead.length) {
        const opened = this.#open(piece, 0);
        // Looked at when its turn comes.
        opened.catch(() => {});
        this.#ahead.push(opened);
      }
      bytes += piece.length;
    }
  }

  async #end(piece: Piece): Promise<void> {
    this.#reader?.cancel().catch(() => {});
    await this.#hashed;
    const digest = await this.#hash?.digest();
    if (digest !== undefined && digest !== piece.of.sha256)
      throw new FerryError("DIGEST_INVALID", { what: "a chunk", expected: piece.of.sha256 ?? "" });
    [this.#reader, this.#hash, this.#read, this.#reopened] = [null, null, 0, 0];
    this.#at++;
  }
}

async function inTime<T>(work: Promise<T>, limitMs: number): Promise<T> {
  const late = Promise.withResolvers<never>();
  const stalled = () => late.reject(new FerryError("STORAGE_UNAVAILABLE", { store: "home", problem: "it stalled" }));
  const timer = setTimeout(stalled, limitMs);
  try {
    return await Promise.race([work, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
