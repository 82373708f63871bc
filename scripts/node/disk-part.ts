/** One file while a pull fills it, under a name that no reader takes for the file. */
import { closeSync, constants, ftruncateSync, openSync, renameSync } from "node:fs";
import type { Digest } from "../../shared/digest.ts";
import { FerryError } from "../../shared/errors.ts";
import type { FetchAnswer, MoveOptions, Part, Piece, WantedChunk, WantedFile } from "../../shared/transfer/ports.ts";
import { MiB } from "../../shared/units.ts";
import type { ChunkShelf, Found } from "./chunk-cache.ts";
import type { EarlyFlush, FlushedFile } from "./early-flush.ts";
import type { Folders } from "./folders.ts";
import { unwritable } from "./fs-errors.ts";
import type { Mover, PartFile } from "./mover.ts";
import type { Movers } from "./movers.ts";
import type { Syncer } from "./syncer.ts";

/** Where a file's bytes are now: a part gets another name when it is sealed. */
export type Location = { path: string };
/** Chunks that lie in files of this destination, and where. What is borrowed is hashed again, so an entry may be outdated. */
export type Lender = Map<Digest, { location: Location; chunk: WantedChunk }>;

/** An open file, and where it has the chunk. */
type Lent = { from: number; chunk: WantedChunk };

export type DiskPartOptions = {
  to: PartFile;
  file: WantedFile;
  /** Path of the part below the destination. */
  part: string;
  held: Set<Digest>;
  /** A dead run left it: it may be longer than the file. */
  isAdopted: boolean;
  folders: Folders;
  movers: Movers;
  syncer: Syncer;
  early: EarlyFlush;
  lender: Lender;
  cache: ChunkShelf | null;
  /** The chunk is in the part now. */
  onHeld: (chunk: WantedChunk) => void;
};

/** Larger files are synced one by one. */
const SYNC_TOGETHER_BYTES_MAX = 4 * MiB;

export class DiskPart implements Part {
  readonly #options: DiskPartOptions;
  /** Who has begun to fetch a piece goes on with it. */
  readonly #begun = new Map<string, Mover>();
  readonly #location: Location;
  readonly #isSmall: boolean;
  readonly #flushed: FlushedFile;
  #isOpen = true;

  constructor(options: DiskPartOptions) {
    this.#options = options;
    this.#location = { path: options.part };
    this.#isSmall = options.file.sizeBytes < SYNC_TOGETHER_BYTES_MAX;
    if (this.#isSmall) options.syncer.begin();
    this.#flushed = options.early.file(options.to.fd);
    for (const chunk of options.file.chunks) if (options.held.has(chunk.sha256)) this.#lend(chunk);
  }

  holds(sha256: Digest): boolean {
    return this.#options.held.has(sha256);
  }

  async borrow(chunk: WantedChunk, signal: AbortSignal): Promise<boolean> {
    const { cache } = this.#options;
    if (await this.#copy(chunk, this.#lent(chunk), signal)) return true;
    const found = (await cache?.find(chunk, signal)) ?? null;
    if (found === null || cache === null) return false;
    if (await this.#take(chunk, found, signal)) return true;
    return (await cache.wrong(chunk, signal)) && this.#take(chunk, await cache.find(chunk, signal), signal);
  }

  /** What a shelf has. What an address gave of a chunk before it failed is there for a fetch from elsewhere. */
  async #take(chunk: WantedChunk, found: Found | null, signal: AbortSignal): Promise<boolean> {
    if (found === null) return false;
    if ("url" in found) {
      const answer = await this.fetch(chunk, { from: 0, to: chunk.size }, found.url, { signal, onBytes: () => {} });
      return answer.kind === "held";
    }
    const places = [{ chunkOffset: 0, fileOffset: 0, length: chunk.size }];
    return this.#copy(chunk, { from: found.fd, chunk: { ...chunk, places } }, signal);
  }

  /** From a file of this destination. Null when none has it, or it was replaced meanwhile. */
  #lent(chunk: WantedChunk): Lent | null {
    const lent = this.#options.lender.get(chunk.sha256);
    if (lent === undefined) return null;
    try {
      const path = this.#options.folders.at(lent.location.path);
      return { from: openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK), chunk: lent.chunk };
    } catch {
      return null;
    }
  }

  async #copy(chunk: WantedChunk, lent: Lent | null, signal: AbortSignal): Promise<boolean> {
    if (lent === null) return false;
    const { movers, to } = this.#options;
    try {
      const task = { from: lent.from, lent: lent.chunk, part: to, chunk };
      const isRight = await movers.run(chunk.size, (mover) => mover.copy(task, signal));
      if (isRight) this.#hold(chunk, { from: 0, to: chunk.size });
      return isRight;
    } finally {
      closeSync(lent.from);
    }
  }

  async fetch(chunk: WantedChunk, piece: Piece, url: string, options: MoveOptions): Promise<FetchAnswer> {
    const { movers, to } = this.#options;
    const name = nameOf(chunk, piece);
    const bytes = piece.to - piece.from;
    const fetch = (mover: Mover) => {
      this.#begun.set(name, mover);
      return mover.fetch({ part: to, chunk, piece, url }, options);
    };
    const begun = this.#begun.get(name);
    const answer = await (begun === undefined ? movers.run(bytes, fetch) : movers.on(begun, bytes, fetch));
    if (answer.kind === "held") this.#hold(chunk, piece);
    return answer;
  }

  async limit(chunk: WantedChunk, piece: Piece, to: number): Promise<boolean> {
    const mover = this.#begun.get(nameOf(chunk, piece));
    return (await mover?.limit({ part: this.#options.to.id, sha256: chunk.sha256, from: piece.from, to })) ?? false;
  }

  async join(chunk: WantedChunk, signal: AbortSignal): Promise<FetchAnswer & { kind: "held" | "corrupt" }> {
    const whole = { from: 0, to: chunk.size };
    const mover = this.#begun.get(nameOf(chunk, whole));
    if (mover === undefined) throw new Error("nothing of the chunk was fetched");
    const answer = await mover.join({ part: this.#options.to, chunk }, signal);
    if (answer.kind === "held") this.#hold(chunk, whole);
    return answer;
  }

  async seal(): Promise<void> {
    const { to, file, part, folders, held, syncer, isAdopted } = this.#options;
    const missing = file.chunks.find((chunk) => !held.has(chunk.sha256));
    if (missing !== undefined) throw new FerryError("INTERNAL", { problem: `${file.path} is sealed without chunk ${missing.sha256}` });
    try {
      if (isAdopted) ftruncateSync(to.fd, file.sizeBytes);
      // The bytes before the name: after a power failure, whatever has the name is whole.
      await (this.#isSmall ? syncer.sync(to.fd, part.slice(0, part.lastIndexOf("/") + 1)) : this.#flushed.end());
      this.#close();
      giveName(folders, part, file.path);
      this.#location.path = file.path;
    } catch (error) {
      throw unwritable(file.path, error);
    }
  }

  async leave(): Promise<void> {
    await this.#flushed.idle();
    this.#close();
  }

  #close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    const { to, movers, syncer } = this.#options;
    if (this.#isSmall) syncer.end();
    closeSync(to.fd);
    if (to.directFd !== null) closeSync(to.directFd);
    if (this.#begun.size > 0) movers.forget(to.id);
  }

  #hold(chunk: WantedChunk, piece: Piece): void {
    this.#begun.delete(nameOf(chunk, piece));
    this.#options.held.add(chunk.sha256);
    this.#options.onHeld(chunk);
    // What went past the page cache is on the disk.
    if (this.#options.to.directFd === null) this.#flushed.wrote(piece.to - piece.from);
    this.#lend(chunk);
  }

  #lend(chunk: WantedChunk): void {
    if (chunk.shared) this.#options.lender.set(chunk.sha256, { location: this.#location, chunk });
  }
}

/** Puts a part in its file's place. A link that is there is replaced, not followed; a folder is an error (EISDIR). */
export function giveName(folders: Folders, part: string, path: string): void {
  renameSync(folders.at(part), folders.at(path));
}

function nameOf({ sha256 }: WantedChunk, { from }: Piece): string {
  return `${sha256} ${from}`;
}
