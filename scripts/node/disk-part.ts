/** One file while a pull fills it, under a name that no reader takes for the file. */
import { createHash, type Hash } from "node:crypto";
import { closeSync, constants, fdatasync, ftruncateSync, lstatSync, openSync, readSync, renameSync, writeSync } from "node:fs";
import { promisify } from "node:util";
import type { Digest } from "../../shared/digest.ts";
import { FerryError } from "../../shared/errors.ts";
import { Placing } from "../../shared/transfer/placing.ts";
import type { FetchAnswer, MoveOptions, Part, WantedChunk, WantedFile } from "../../shared/transfer/ports.ts";
import { MiB } from "../../shared/units.ts";
import type { Folders } from "./folders.ts";
import { unwritable } from "./fs-errors.ts";
import type { Transport } from "./transport.ts";

/** Where a file's bytes are now: a part gets another name when it is sealed. */
export type Location = { path: string };
/** Chunks that lie in files of this destination, and where. What is borrowed is hashed again, so an entry may be outdated. */
export type Lender = Map<Digest, { location: Location; chunk: WantedChunk }>;

export type DiskPartOptions = {
  file: WantedFile;
  /** Path of the part below the destination. */
  part: string;
  fd: number;
  held: Set<Digest>;
  folders: Folders;
  transport: Transport;
  lender: Lender;
  /** The chunk is in the part now. */
  onHeld: (chunk: WantedChunk) => void;
};

/** A chunk of which the beginning is there. */
type Begun = { hash: Hash; placing: Placing };

const COPY_BYTES = MiB;
const sync = promisify(fdatasync);

export class DiskPart implements Part {
  readonly #options: DiskPartOptions;
  readonly #begun = new Map<Digest, Begun>();
  readonly #location: Location;
  #isOpen = true;

  constructor(options: DiskPartOptions) {
    this.#options = options;
    this.#location = { path: options.part };
    for (const chunk of options.file.chunks) if (options.held.has(chunk.sha256)) this.#lend(chunk);
  }

  holds(sha256: Digest): boolean {
    return this.#options.held.has(sha256);
  }

  async borrow(chunk: WantedChunk, signal: AbortSignal): Promise<boolean> {
    const lent = this.#options.lender.get(chunk.sha256);
    if (lent === undefined) return false;
    const { folders } = this.#options;
    let from: number;
    try {
      from = openSync(folders.at(lent.location.path), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    } catch {
      // It was replaced meanwhile.
      return false;
    }
    try {
      return await this.#copy(from, { lent: lent.chunk, chunk, signal });
    } finally {
      closeSync(from);
    }
  }

  async fetch(chunk: WantedChunk, url: string, { signal, onBytes }: MoveOptions): Promise<FetchAnswer> {
    const begun = this.#begin(chunk);
    const { placing } = begun;
    const sink = {
      restart: () => {
        begun.hash = createHash("sha256");
        placing.restart();
      },
      write: (bytes: Uint8Array) => {
        begun.hash.update(bytes);
        placing.push(bytes);
        return null;
      },
    };
    const request = { url, offset: placing.offset, end: chunk.size, sizeBytes: chunk.size };
    // All bytes came, but the answer did not end: nothing is left to ask for.
    const answer =
      placing.offset === chunk.size
        ? ({ kind: "complete" } as const)
        : await this.#options.transport.get(request, sink, { signal, onBytes });
    if (answer.kind !== "complete") return { ...answer, reachedBytes: placing.offset };
    this.#begun.delete(chunk.sha256);
    if (begun.hash.digest("hex") !== chunk.sha256) return { kind: "corrupt" };
    this.#hold(chunk);
    return { kind: "held" };
  }

  async seal(): Promise<void> {
    const { file, part, folders, held, fd } = this.#options;
    const missing = file.chunks.find((chunk) => !held.has(chunk.sha256));
    if (missing !== undefined) throw new FerryError("INTERNAL", { problem: `${file.path} is sealed without chunk ${missing.sha256}` });
    try {
      // A part that was taken over may be longer.
      ftruncateSync(fd, file.sizeBytes);
      // The bytes before the name: after a power failure, whatever has the name is whole.
      await sync(fd);
      this.#close();
      const stats = lstatSync(folders.at(file.path), { throwIfNoEntry: false });
      if (stats?.isDirectory()) throw new FerryError("FILE_UNWRITABLE", { path: file.path, problem: "a folder is there" });
      renameSync(folders.at(part), folders.at(file.path));
      this.#location.path = file.path;
    } catch (error) {
      throw unwritable(file.path, error);
    }
  }

  async leave(): Promise<void> {
    this.#close();
  }

  #close(): void {
    if (this.#isOpen) closeSync(this.#options.fd);
    this.#isOpen = false;
  }

  #hold(chunk: WantedChunk): void {
    this.#options.held.add(chunk.sha256);
    this.#options.onHeld(chunk);
    this.#lend(chunk);
  }

  #lend(chunk: WantedChunk): void {
    if (chunk.shared) this.#options.lender.set(chunk.sha256, { location: this.#location, chunk });
  }

  #begin(chunk: WantedChunk): Begun {
    const known = this.#begun.get(chunk.sha256);
    if (known !== undefined) return known;
    const begun = { hash: createHash("sha256"), placing: this.#placing(chunk) };
    this.#begun.set(chunk.sha256, begun);
    return begun;
  }

  #placing(chunk: WantedChunk): Placing {
    return new Placing(chunk.places, (bytes, fileOffset) => this.#write(bytes, fileOffset));
  }

  #write(bytes: Uint8Array, fileOffset: number): void {
    try {
      for (let done = 0; done < bytes.length; ) done += writeSync(this.#options.fd, bytes, done, bytes.length - done, fileOffset + done);
    } catch (error) {
      throw unwritable(this.#options.file.path, error);
    }
  }

  /** False when what lies there is no longer the chunk. */
  async #copy(from: number, { lent, chunk, signal }: { lent: WantedChunk; chunk: WantedChunk; signal: AbortSignal }): Promise<boolean> {
    const hash = createHash("sha256");
    const placing = this.#placing(chunk);
    const buffer = Buffer.allocUnsafeSlow(Math.min(COPY_BYTES, chunk.size));
    for (const { chunkOffset, fileOffset, length } of lent.places) {
      if (chunkOffset !== placing.offset) return false;
      for (let done = 0; done < length; ) {
        const bytesRead = readSync(from, buffer, 0, Math.min(buffer.length, length - done), fileOffset + done);
        if (bytesRead === 0) return false;
        hash.update(buffer.subarray(0, bytesRead));
        placing.push(buffer.subarray(0, bytesRead));
        done += bytesRead;
      }
      await yieldTo(signal);
    }
    if (placing.offset !== chunk.size || hash.digest("hex") !== chunk.sha256) return false;
    this.#hold(chunk);
    return true;
  }
}

/** Lets others run between two long synchronous steps. */
async function yieldTo(signal: AbortSignal): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
  signal.throwIfAborted();
}
