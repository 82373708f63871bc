/** The folder that a pull fills. */
import { randomBytes } from "node:crypto";
import {
  type BigIntStats,
  closeSync,
  constants,
  fchmodSync,
  ftruncateSync,
  lstatSync,
  openSync,
  readdirSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  statfsSync,
  symlinkSync,
} from "node:fs";
import { resolve } from "node:path";
import type { Digest } from "../../shared/digest.ts";
import { FerryError } from "../../shared/errors.ts";
import type { Part, Target, WantedChunk, WantedFile } from "../../shared/transfer/ports.ts";
import { MiB } from "../../shared/units.ts";
import type { ChunkShelf } from "./chunk-cache.ts";
import { DiskPart, giveName, type Lender } from "./disk-part.ts";
import { EarlyFlush } from "./early-flush.ts";
import { findHeld } from "./find-held.ts";
import { Folders } from "./folders.ts";
import { fsCode, unwritable } from "./fs-errors.ts";
import { Journal, type LeftPart } from "./journal.ts";
import { makeFolders } from "./make-folders.ts";
import { partName, runOfPart } from "./marks.ts";
import { availableMemoryBytes } from "./memory.ts";
import type { Movers } from "./movers.ts";
import { shareContent } from "./same-file.ts";
import { Syncer } from "./syncer.ts";

/** Smaller files are not worth a line: they are fetched again. */
const JOURNAL_FILE_BYTES_MIN = 4 * MiB;
/** Smaller files gain nothing. */
const DIRECT_FILE_BYTES_MIN = 16 * MiB;
const FREE_BYTES_PLENTY = 256 * MiB;
const OPEN_EXISTING = constants.O_NOFOLLOW | constants.O_NONBLOCK;

export type DiskTargetOptions = { movers: Movers; direct: "auto" | "always" | "never"; shelf: ChunkShelf | null };

/** A part's file, open. */
type Opened = { part: string; fd: number; held: Set<Digest>; isAdopted: boolean };

export class DiskTarget implements Target {
  readonly #destination: string;
  readonly #movers: Movers;
  readonly #direct: DiskTargetOptions["direct"];
  readonly #cache: ChunkShelf | null;
  readonly #syncer = new Syncer();
  readonly #early = new EarlyFlush();
  /** What was free at the last look, less what was promised since. */
  #freeBytes = 0;
  #isDirect = false;
  readonly #run = randomBytes(8).toString("hex");
  readonly #lender: Lender = new Map();
  /** Folders that were looked through for what dead runs left. */
  readonly #tidied = new Set<string>();
  #state: { folders: Folders; journal: Journal } | null = null;
  #parts = 0;

  constructor(destination: string, { movers, direct, shelf }: DiskTargetOptions) {
    this.#destination = destination;
    this.#movers = movers;
    this.#direct = direct;
    this.#cache = shelf;
  }

  expect(largestBytes: number): void {
    this.#movers.expect(largestBytes);
  }

  async open(files: readonly WantedFile[]): Promise<void> {
    const bytes = files.reduce((sum, file) => sum + file.sizeBytes, 0);
    this.#isDirect = this.#direct === "always" || (this.#direct === "auto" && bytes > availableMemoryBytes() / 2);
    try {
      const path = resolve(this.#destination);
      const isNew = makeFolders(path);
      const folders = new Folders(realpathSync(path), true, isNew);
      const journal = await Journal.open(folders, this.#run).catch((error: unknown) => {
        folders.close();
        throw error;
      });
      this.#state = { folders, journal };
    } catch (error) {
      throw unwritable(this.#destination, error);
    }
  }

  async prepare(file: WantedFile, signal: AbortSignal): Promise<Part | null> {
    try {
      this.#tidy(folderOf(file.path));
      if ((await this.#isThere(file, signal)) || (await this.#isShared(file, signal))) return null;
      return await this.#part(file, signal);
    } catch (error) {
      throw unwritable(file.path, error);
    }
  }

  async link(path: string, target: string): Promise<void> {
    const { folders } = this.#opened();
    try {
      const here = folders.at(path);
      const stats = lstatSync(here, { throwIfNoEntry: false });
      if (stats?.isSymbolicLink() && readlinkSync(here) === target) return;
      if (stats?.isDirectory()) throw new FerryError("FILE_UNWRITABLE", { path, problem: "a folder is there" });
      const part = folders.at(besides(path, this.#nextPart()));
      symlinkSync(target, part);
      renameSync(part, folders.at(path));
    } catch (error) {
      throw unwritable(path, error);
    }
  }

  async close(complete: boolean): Promise<void> {
    const { folders, journal } = this.#opened();
    try {
      if (complete) this.#finish(folders, journal);
      journal.close(complete);
    } finally {
      folders.close();
    }
  }

  /** Names become durable, then what is no longer needed goes. */
  #finish(folders: Folders, journal: Journal): void {
    for (const folder of this.#tidied) folders.sync(folder);
    for (const { part } of journal.left.values()) if (isBeside(part)) rmSync(folders.at(part), { force: true });
  }

  #opened(): { folders: Folders; journal: Journal } {
    if (this.#state === null) throw new Error("the target is not open");
    return this.#state;
  }

  /** Whether the file is there with every chunk. Chunks that are right although the file is not can be borrowed from it. */
  async #isThere(file: WantedFile, signal: AbortSignal): Promise<boolean> {
    const { folders } = this.#opened();
    if (folders.isNew(folderOf(file.path))) return false;
    const stats = lstatSync(folders.at(file.path), { throwIfNoEntry: false, bigint: true });
    // A link is replaced by the file; it is never followed.
    if (stats === undefined || stats.isSymbolicLink()) return false;
    if (!stats.isFile()) throw new FerryError("FILE_UNWRITABLE", { path: file.path, problem: describe(stats) });
    const fd = openSync(folders.at(file.path), constants.O_RDONLY | OPEN_EXISTING);
    try {
      const held = await findHeld(this.#movers, { fd, sizeBytes: Number(stats.size), chunks: file.chunks }, signal);
      const isRight = held.size === file.chunks.length && Number(stats.size) === file.sizeBytes;
      if (isRight) setExecutable(fd, stats, file.executable);
      this.#lend(file, held, isRight);
      return isRight;
    } finally {
      closeSync(fd);
    }
  }

  /** From a right file, what other files need; from another one, what this file's new content needs. */
  #lend(file: WantedFile, held: ReadonlySet<Digest>, isRight: boolean): void {
    for (const chunk of file.chunks) {
      if (held.has(chunk.sha256) && (chunk.shared || !isRight)) this.#lender.set(chunk.sha256, { location: { path: file.path }, chunk });
    }
  }

  /** Whether a file of one chunk could be made from the cache without copying. */
  async #isShared(file: WantedFile, signal: AbortSignal): Promise<boolean> {
    const [chunk] = file.chunks;
    if (this.#cache === null || chunk === undefined || file.chunks.length > 1 || chunk.size !== file.sizeBytes) return false;
    const found = await this.#cache.find(chunk, signal);
    const fd = found !== null && "fd" in found ? found.fd : null;
    if (fd === null) return false;
    try {
      const held = await findHeld(this.#movers, { fd, sizeBytes: file.sizeBytes, chunks: [chunk] }, signal);
      if (held.size === 0) {
        await this.#cache.wrong(chunk, signal);
        return false;
      }
    } finally {
      closeSync(fd);
    }
    const { folders } = this.#opened();
    const part = besides(file.path, this.#nextPart());
    if (!shareContent(this.#cache.path(chunk.sha256), folders.at(part), file.executable)) return false;
    giveName(folders, part, file.path);
    return true;
  }

  async #part(file: WantedFile, signal: AbortSignal): Promise<DiskPart> {
    const { journal } = this.#opened();
    const left = journal.left.get(file.path);
    const adopted = left === undefined ? null : await this.#adopt(file, left, signal);
    if (adopted !== null) return adopted;
    this.#checkSpace(file);
    const part = besides(file.path, this.#nextPart());
    const mode = file.executable ? 0o777 : 0o666;
    const flags = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
    const fd = openSync(this.#opened().folders.at(part), flags, mode);
    // Its length at once, so that no write has to move the end of the file.
    if (file.sizeBytes >= JOURNAL_FILE_BYTES_MIN) ftruncateSync(fd, file.sizeBytes);
    return this.#diskPart(file, { part, fd, held: new Set(), isAdopted: false });
  }

  /** The part that a dead run left, when it is that of this content, and a plain file of our own that no other name leads to. */
  async #adopt(file: WantedFile, left: LeftPart, signal: AbortSignal): Promise<DiskPart | null> {
    if (left.sha256 !== file.sha256 || left.sizeBytes !== file.sizeBytes || folderOf(left.part) !== folderOf(file.path)) return null;
    const { folders } = this.#opened();
    const stats = lstatSync(folders.at(left.part), { throwIfNoEntry: false });
    if (stats === undefined || !stats.isFile() || stats.nlink !== 1 || stats.uid !== (process.getuid?.() ?? stats.uid)) return null;
    const fd = openSync(folders.at(left.part), constants.O_RDWR | OPEN_EXISTING);
    const marked = file.chunks.filter((chunk) => left.chunks.has(chunk.sha256));
    const held = await findHeld(this.#movers, { fd, sizeBytes: stats.size, chunks: marked }, signal);
    return this.#diskPart(file, { part: left.part, fd, held, isAdopted: true });
  }

  #diskPart(file: WantedFile, { part, fd, held, isAdopted }: Opened): DiskPart {
    const { folders, journal } = this.#opened();
    const isJournaled = file.sizeBytes >= JOURNAL_FILE_BYTES_MIN;
    if (isJournaled) journal.begin(part, file);
    const onHeld = (chunk: WantedChunk) => {
      if (isJournaled) journal.held(part, chunk.sha256);
    };
    const to = { id: this.#parts++, fd, directFd: this.#directFd(file, part), path: file.path };
    const shared = { folders, movers: this.#movers, syncer: this.#syncer, early: this.#early, lender: this.#lender, cache: this.#cache };
    return new DiskPart({ ...shared, to, file, part, held, isAdopted, onHeld });
  }

  /** Null: through the page cache. */
  #directFd(file: WantedFile, part: string): number | null {
    if (!this.#isDirect || file.sizeBytes < DIRECT_FILE_BYTES_MIN || constants.O_DIRECT === undefined) return null;
    try {
      return openSync(this.#opened().folders.at(part), constants.O_WRONLY | constants.O_DIRECT | OPEN_EXISTING);
    } catch (error) {
      // Not every file system can.
      if (fsCode(error) === "EINVAL") return null;
      throw error;
    }
  }

  /** A clear word before hours of work; the writes themselves are checked, too. Looks again only when it could matter. */
  #checkSpace(file: WantedFile): void {
    this.#freeBytes -= file.sizeBytes;
    if (this.#freeBytes > FREE_BYTES_PLENTY) return;
    const { bavail, bsize } = statfsSync(this.#opened().folders.folder(folderOf(file.path)));
    const freeBytes = bavail * bsize;
    this.#freeBytes = freeBytes - file.sizeBytes;
    // Some network file systems say 0 for "unknown".
    if (freeBytes === 0 || freeBytes >= file.sizeBytes) return;
    const problem = `no space left on the disk: it needs ${file.sizeBytes} bytes, ${freeBytes} are free`;
    throw new FerryError("FILE_UNWRITABLE", { path: file.path, problem });
  }

  /** Removes what dead runs left in a folder and nobody goes on with. */
  #tidy(folder: string): void {
    const { folders, journal } = this.#opened();
    if (this.#tidied.has(folder)) return;
    this.#tidied.add(folder);
    const here = folders.folder(folder);
    if (journal.deadRuns.size === 0) return;
    const wanted = new Set([...journal.left.values()].map((left) => left.part));
    for (const name of readdirSync(here)) {
      const run = runOfPart(name);
      const path = folder === "" ? name : `${folder}/${name}`;
      if (run !== null && journal.deadRuns.has(run) && !wanted.has(path)) rmSync(folders.at(path), { force: true });
    }
  }

  #nextPart(): string {
    return partName(this.#run, this.#parts++);
  }
}

function folderOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf("/")));
}

function besides(path: string, name: string): string {
  return path.slice(0, path.lastIndexOf("/") + 1) + name;
}

/** Journals are files that anybody may have written: a part has the name of one, and stays below the destination. */
function isBeside(part: string): boolean {
  return runOfPart(part.slice(part.lastIndexOf("/") + 1)) !== null && !part.split("/").includes("..") && !part.startsWith("/");
}

function describe(stats: BigIntStats): string {
  return stats.isDirectory() ? "a folder is there" : "something that is no file is there";
}

function setExecutable(fd: number, stats: BigIntStats, executable: boolean): void {
  const mode = Number(stats.mode) & 0o7777;
  const isExecutable = (mode & 0o100) !== 0;
  // Whoever may read it may execute it.
  if (isExecutable !== executable) fchmodSync(fd, executable ? mode | ((mode & 0o444) >> 2) : mode & ~0o111);
}
