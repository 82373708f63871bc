/**
 * The cache on disk:
 *
 *   owner.json                        whose it is (cache-lock.ts)
 *   chunks/<2 hex>/<sha256>           whole chunks; a name appears only when all bytes were seen to have that digest
 *   filling/<number>-<sha256>         chunks on their way; what a dead agent left is removed
 *
 * Pulls read `chunks/` themselves where they see it (scripts/node/chunk-cache.ts), so its form is a contract.
 */
import {
  accessSync,
  closeSync,
  constants,
  fdatasync,
  lstatSync,
  openSync,
  readdirSync,
  realpathSync,
  renameSync,
  rmSync,
  statfsSync,
  statSync,
  utimesSync,
} from "node:fs";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { Digest } from "../../shared/digest.ts";
import { FerryError } from "../../shared/errors.ts";
import { fsCode, fsProblem } from "../node/fs-errors.ts";
import { makeFolders } from "../node/make-folders.ts";
import { yieldToOthers } from "../node/read-at.ts";
import { Gate } from "./gate.ts";

const syncData = promisify(fdatasync);
/** Node reads files with four threads: while all of them wait for a disk to write, nobody is served. */
const SYNCS_AT_ONCE = 2;

/** Of statfs(2). There, a name that was given is not at once everybody's, or each read crosses a network: no cache. */
const REMOTE_SYSTEMS: ReadonlyMap<number, string> = new Map([
  [0x6969, "NFS"],
  [0xff534d42, "CIFS"],
  [0xfe534d42, "SMB"],
  [0x00c36400, "CephFS"],
  [0x65735546, "FUSE"],
  [0x01021997, "9P"],
  [0x0bd00bd0, "Lustre"],
]);

/** `anySystem`: also where a file system is no local one. `systemOf`: the number of a file system in statfs(2). `sync`: fdatasync(2). */
export type FolderOptions = { anySystem: boolean; systemOf?: (path: string) => number; sync?: (fd: number) => Promise<void> };

export type FoundChunk = { sha256: Digest; size: number; usedAtMs: number };

export class CacheFolder {
  /** Without symbolic links. */
  readonly path: string;
  readonly #sync: (fd: number) => Promise<void>;
  readonly #syncs = new Gate(SYNCS_AT_ONCE);
  #numbers = 0;

  private constructor(path: string, { sync = syncData }: FolderOptions) {
    this.path = path;
    this.#sync = sync;
  }

  /** Makes what is missing. Throws AGENT_CACHE_UNFIT. */
  static open(path: string, options: FolderOptions): CacheFolder {
    try {
      makeFolders(resolve(path));
      const folder = new CacheFolder(realpathSync(path), options);
      makeFolders(join(folder.path, "chunks"));
      makeFolders(join(folder.path, "filling"));
      for (const below of ["", "chunks", "filling"]) accessSync(join(folder.path, below), constants.W_OK | constants.X_OK);
      folder.#check(options);
      return folder;
    } catch (error) {
      if (error instanceof FerryError) throw error;
      throw new FerryError("AGENT_CACHE_UNFIT", { path, problem: fsProblem(error) }, { cause: error });
    }
  }

  #check({ anySystem, systemOf = (path) => statfsSync(path).type }: FolderOptions): void {
    const [chunks, filling] = [join(this.path, "chunks"), join(this.path, "filling")];
    // A name is given by rename, which no file system does to another.
    if (statSync(chunks).dev !== statSync(filling).dev) {
      throw new FerryError("AGENT_CACHE_UNFIT", { path: this.path, problem: "chunks/ and filling/ are on different file systems" });
    }
    const remote = REMOTE_SYSTEMS.get(systemOf(chunks));
    if (remote !== undefined && !anySystem) {
      throw new FerryError("AGENT_CACHE_UNFIT", { path: this.path, problem: `it is on ${remote}, which is no local disk` });
    }
  }

  chunkPath(sha256: Digest): string {
    return join(this.path, "chunks", sha256.slice(0, 2), sha256);
  }

  /** A new name for a chunk on its way. */
  fillingPath(sha256: Digest): string {
    return join(this.path, "filling", `${++this.#numbers}-${sha256}`);
  }

  /**
   * Has the disk take a chunk's bytes, when it is its turn. False: it could not, so what is read later may be something else. A chunk that is
   * not here any more counts as taken.
   */
  async keep(sha256: Digest): Promise<boolean> {
    return this.#syncs.pass("live", async () => {
      let fd: number;
      try {
        fd = openSync(this.chunkPath(sha256), constants.O_RDONLY | constants.O_NOFOLLOW);
      } catch (error) {
        return fsCode(error) === "ENOENT";
      }
      try {
        await this.#sync(fd);
        return true;
      } catch {
        return false;
      } finally {
        closeSync(fd);
      }
    });
  }

  /** Gives a file that is whole its name as a chunk. */
  settle(filling: string, sha256: Digest): void {
    makeFolders(join(this.path, "chunks", sha256.slice(0, 2)));
    renameSync(filling, this.chunkPath(sha256));
  }

  remove(sha256: Digest): void {
    rmSync(this.chunkPath(sha256), { force: true });
  }

  /** Kept with the file, so that the next agent on this folder knows what was used last. */
  noteUse(sha256: Digest, atMs: number): void {
    try {
      utimesSync(this.chunkPath(sha256), atMs / 1000, atMs / 1000);
    } catch {
      // Removed by hand: the next read finds out.
    }
  }

  /** Bytes that this process may still write; null when the disk does not say. */
  freeBytes(): number | null {
    const { bavail, bsize, blocks } = statfsSync(this.path);
    return blocks === 0 ? null : bavail * bsize;
  }

  /** All chunks, by name and size. Drops what dead agents left half done, and what is no chunk's file. */
  async scan(): Promise<FoundChunk[]> {
    const filling = join(this.path, "filling");
    for (const name of readdirSync(filling)) rmSync(join(filling, name), { recursive: true, force: true });
    const found: FoundChunk[] = [];
    const chunks = join(this.path, "chunks");
    for (const two of readdirSync(chunks)) {
      if (!/^[0-9a-f]{2}$/.test(two)) continue;
      for (const name of readdirSync(join(chunks, two))) {
        const stats = lstatSync(join(chunks, two, name), { throwIfNoEntry: false });
        const sha256 = Digest.safeParse(name);
        if (stats?.isFile() && sha256.success && name.startsWith(two)) {
          found.push({ sha256: sha256.data, size: stats.size, usedAtMs: stats.mtimeMs });
        }
      }
      await yieldToOthers();
    }
    return found;
  }
}
