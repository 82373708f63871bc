/**
 * A chunk on its way into the cache. It has a name that nobody takes for the chunk until all of its bytes were seen to have the digest.
 * Readers that check for themselves may follow the bytes as they come, all but the last one, which they get when the chunk is
 * right: so one who relays what somebody lied about breaks off, and is taken for no liar.
 */
import { createHash, type Hash } from "node:crypto";
import { closeSync, constants, ftruncateSync, openSync, rmSync, writeSync } from "node:fs";
import type { Digest } from "../../shared/digest.ts";
import { FerryError } from "../../shared/errors.ts";
import type { CacheFolder } from "./cache-folder.ts";

const READ_ONLY = 0o444;

export type Chunk = { sha256: Digest; size: number };

export class Filling {
  readonly chunk: Chunk;
  readonly path: string;
  readonly fd: number;
  readonly #folder: CacheFolder;
  #hash: Hash = createHash("sha256");
  #bytes = 0;
  #followers = 0;
  /** Counts up when the bytes come again from the first. */
  #round = 0;
  #ended: { error: unknown } | "whole" | null = null;
  #wake: (() => void)[] = [];
  #isClosed = false;

  /** Throws what the disk throws. */
  constructor(folder: CacheFolder, chunk: Chunk) {
    this.#folder = folder;
    this.chunk = chunk;
    this.path = folder.fillingPath(chunk.sha256);
    this.fd = openSync(this.path, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW, READ_ONLY);
    try {
      // Its length at once: most disks then lay it out in one piece.
      ftruncateSync(this.fd, chunk.size);
    } catch (error) {
      this.fail(error);
      throw error;
    }
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Which round of bytes is coming now. */
  get round(): number {
    return this.#round;
  }

  /** Nobody can read along any more. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  get hasFailed(): boolean {
    return this.#ended !== null && this.#ended !== "whole";
  }

  /** The next bytes. Throws what the disk throws, and SIZE_INVALID when there are too many. */
  write(bytes: Uint8Array): void {
    if (this.#bytes + bytes.length > this.chunk.size) throw this.#wrong(this.#bytes + bytes.length);
    this.#hash.update(bytes);
    for (let done = 0; done < bytes.length; ) done += writeSync(this.fd, bytes, done, bytes.length - done, this.#bytes + done);
    this.#bytes += bytes.length;
    this.#tell();
  }

  /** The bytes are to come again from the first. Those who follow have read others: their reads fail. */
  restart(): void {
    this.#hash = createHash("sha256");
    this.#bytes = 0;
    this.#round++;
    this.#tell();
  }

  /** All bytes came: they get their name. Throws DIGEST_INVALID, SIZE_INVALID and what the disk throws; the filling is not over then. */
  settle(from: string): void {
    if (this.#bytes !== this.chunk.size) throw this.#wrong(this.#bytes);
    const { sha256 } = this.chunk;
    if (this.#hash.digest("hex") !== sha256) throw new FerryError("DIGEST_INVALID", { what: `a chunk from ${from}`, expected: sha256 });
    this.#folder.settle(this.path, sha256);
    this.#ended = "whole";
    this.#tell();
    this.#close();
  }

  /** It will not come. */
  fail(error: unknown): void {
    if (this.#ended !== null) return;
    this.#ended = { error };
    rmSync(this.path, { force: true });
    this.#tell();
    this.#close();
  }

  /** Lets somebody read along; the descriptor stays open until `unfollow`. */
  follow(): void {
    this.#followers++;
  }

  /** Resolves when more than `offset` bytes may be read, with how many. Throws what it failed with, and when another round has begun. */
  async beyond(offset: number, round: number): Promise<number> {
    while (this.#ended === null && this.#round === round && this.#readable <= offset) {
      await new Promise<void>((wake) => this.#wake.push(wake));
    }
    if (this.#ended !== null && this.#ended !== "whole") throw this.#ended.error;
    if (this.#round !== round)
      throw new FerryError("TRANSFER_FAILED", { what: `chunk ${this.chunk.sha256}`, problem: "it comes from elsewhere now" });
    return this.#readable;
  }

  get #readable(): number {
    return this.#ended === "whole" ? this.#bytes : Math.min(this.#bytes, this.chunk.size - 1);
  }

  unfollow(): void {
    this.#followers--;
    if (this.#ended !== null) this.#close();
  }

  #tell(): void {
    for (const wake of this.#wake.splice(0)) wake();
  }

  #close(): void {
    if (this.#isClosed || this.#followers > 0) return;
    this.#isClosed = true;
    closeSync(this.fd);
  }

  #wrong(bytes: number): FerryError {
    return new FerryError("SIZE_INVALID", { what: `chunk ${this.chunk.sha256}`, expected: this.chunk.size, actual: bytes });
  }
}
