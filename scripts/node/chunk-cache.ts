/**
 * A folder with chunks that were brought to this machine before, each as `<first two hex characters>/<sha256>`. Only read here, and
 * nothing in it is believed: whoever takes a chunk hashes it.
 */
import { closeSync, constants, fstatSync, openSync } from "node:fs";
import { join } from "node:path";
import type { Digest } from "../../shared/digest.ts";

/** An open file that is the chunk, or an address that gives it without being asked for more: whoever takes it hashes it. */
export type Found = { fd: number } | { url: string };

/** Where chunks may lie ready on this machine. */
export type ChunkShelf = {
  path(sha256: Digest): string;
  /** Null when it is not there, or no file of this size. */
  find(chunk: { sha256: Digest; size: number }, signal: AbortSignal): Promise<Found | null>;
  /** What was opened is not the chunk. True: opening it again may give it. */
  wrong(chunk: { sha256: Digest; size: number }, signal: AbortSignal): Promise<boolean>;
};

export class ChunkCache implements ChunkShelf {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  path(sha256: Digest): string {
    return join(this.#folder, sha256.slice(0, 2), sha256);
  }

  async wrong(): Promise<boolean> {
    return false;
  }

  async find({ sha256, size }: { sha256: Digest; size: number }): Promise<Found | null> {
    let fd: number;
    try {
      fd = openSync(this.path(sha256), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    } catch {
      return null;
    }
    const stats = fstatSync(fd);
    if (stats.isFile() && stats.size === size) return { fd };
    closeSync(fd);
    return null;
  }
}
