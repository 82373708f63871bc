/** A folder that is compared with a revision. */
import { type BigIntStats, closeSync, constants, fstatSync, lstatSync, openSync, readlinkSync, realpathSync } from "node:fs";
import { resolve } from "node:path";
import { FerryError } from "../../shared/errors.ts";
import type { Tree, WantedFile } from "../../shared/transfer/ports.ts";
import { findHeld } from "./find-held.ts";
import { Folders } from "./folders.ts";
import { fsProblem, unreadable } from "./fs-errors.ts";
import type { Movers } from "./movers.ts";

const OPEN = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

export class DiskTree implements Tree {
  readonly #folders: Folders;
  readonly #movers: Movers;

  private constructor(folders: Folders, movers: Movers) {
    this.#folders = folders;
    this.#movers = movers;
  }

  /** Throws FILE_UNREADABLE when there is no such folder. */
  static open(path: string, movers: Movers): DiskTree {
    try {
      return new DiskTree(new Folders(realpathSync(resolve(path)), false), movers);
    } catch (error) {
      throw unreadable(path, error);
    }
  }

  async fileProblem(file: WantedFile, full: boolean, signal: AbortSignal): Promise<string | null> {
    let fd: number;
    try {
      const here = this.#folders.at(file.path);
      if (lstatSync(here).isSymbolicLink()) return "it is a symbolic link";
      fd = openSync(here, OPEN);
    } catch (error) {
      return problemText(error);
    }
    try {
      return headProblem(fstatSync(fd, { bigint: true }), file) ?? (await this.#contentProblem(fd, file, full, signal));
    } catch (error) {
      signal.throwIfAborted();
      return problemText(error);
    } finally {
      closeSync(fd);
    }
  }

  async linkProblem(path: string, target: string): Promise<string | null> {
    try {
      const found = readlinkSync(this.#folders.at(path));
      return found === target ? null : `it points to ${found} instead of ${target}`;
    } catch (error) {
      return error instanceof Error && "code" in error && error.code === "EINVAL" ? "it is no symbolic link" : problemText(error);
    }
  }

  async close(): Promise<void> {
    this.#folders.close();
  }

  async #contentProblem(fd: number, file: WantedFile, full: boolean, signal: AbortSignal): Promise<string | null> {
    const { sizeBytes, chunks, sha256 } = file;
    const held = await findHeld(this.#movers, { fd, sizeBytes, chunks }, signal);
    if (held.size < chunks.length) return "its content is another";
    // A file of one chunk has the chunk's digest.
    if (!full || (chunks.length === 1 && chunks[0]?.sha256 === sha256)) return null;
    const digest = await this.#movers.run(sizeBytes, (mover) => mover.digest({ fd, sizeBytes }, signal));
    return digest === sha256 ? null : "all its chunks are right, but the whole has another digest than the revision claims";
  }
}

function headProblem(stats: BigIntStats, { sizeBytes, executable }: WantedFile): string | null {
  if (!stats.isFile()) return stats.isDirectory() ? "a folder is there" : "something that is no file is there";
  if (Number(stats.size) !== sizeBytes) return `it has ${stats.size} bytes instead of ${sizeBytes}`;
  const isExecutable = (stats.mode & 0o100n) !== 0n;
  if (isExecutable !== executable) return executable ? "it is not executable" : "it is executable";
  return null;
}

function problemText(error: unknown): string {
  return error instanceof FerryError ? String(error.details["problem"]) : fsProblem(error);
}
