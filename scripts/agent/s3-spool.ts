/**
 * Where the S3 door keeps what was uploaded and is not committed yet:
 *
 *   owner.json                     whose it is (cache-lock.ts)
 *   coming/<number>                bodies on their way; what a dead door left is removed
 *   branches/<id>/journal, <file>  what is pending on a branch (s3-pending.ts)
 *   uploads/<id>/journal, <file>   multipart uploads (s3-multipart.ts)
 *
 * What is acknowledged is durable before: bytes first, then their names, then the line in the journal that counts them.
 */
import {
  close,
  closeSync,
  constants,
  fdatasync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  open,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  write,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { S3Refusal } from "../../functions/doors/s3/refusals.ts";
import { fsCode, fsProblem } from "../node/fs-errors.ts";
import { makeFolders } from "../node/make-folders.ts";
import { CacheLock } from "./cache-lock.ts";

const sync = promisify(fdatasync);
const writeAt = promisify(write);
const openFile = promisify(open);
const closeFile = promisify(close);
const OWNER_ONLY = 0o600;

/** A file that is being written; `offset`: of the next byte. */
export type SpoolFile = { path: string; fd: number; offset: number };

export class Spool {
  readonly path: string;
  readonly #maxBytes: number;
  readonly #lock: CacheLock;
  #usedBytes = 0;
  #numbers = 0;

  private constructor(path: string, maxBytes: number, lock: CacheLock) {
    this.path = path;
    this.#maxBytes = maxBytes;
    this.#lock = lock;
  }

  /** Throws AGENT_CACHE_BUSY, and what the disk throws. */
  static async open(path: string, maxBytes: number): Promise<Spool> {
    for (const below of ["", "branches", "uploads"]) makeFolders(join(path, below));
    const lock = await CacheLock.take(path);
    rmSync(join(path, "coming"), { recursive: true, force: true });
    makeFolders(join(path, "coming"));
    return new Spool(path, maxBytes, lock);
  }

  close(): void {
    this.#lock.release();
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** Takes room before anything is written. Throws S3Refusal. */
  take(sizeBytes: number): void {
    if (this.#usedBytes + sizeBytes > this.#maxBytes)
      throw new S3Refusal(
        "InsufficientStorage",
        `what is not committed yet may take ${this.#maxBytes} bytes here: commit it, or throw it away`,
      );
    this.#usedBytes += sizeBytes;
  }

  give(sizeBytes: number): void {
    this.#usedBytes -= sizeBytes;
  }

  /** What was found at the start. */
  found(sizeBytes: number): void {
    this.#usedBytes += sizeBytes;
  }

  newName(): string {
    return `${Date.now().toString(36)}-${process.pid.toString(36)}-${(++this.#numbers).toString(36)}`;
  }

  async begin(): Promise<SpoolFile> {
    const path = join(this.path, "coming", this.newName());
    const fd = await disk(openFile(path, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL, OWNER_ONLY));
    return { path, fd, offset: 0 };
  }

  async drop({ path, fd }: SpoolFile): Promise<void> {
    await closeFile(fd).catch(() => {});
    rmSync(path, { force: true });
  }

  /** Makes the bytes durable and gives them their name. */
  async keep({ path, fd }: SpoolFile, target: string): Promise<void> {
    await disk(sync(fd));
    await closeFile(fd);
    renameSync(path, target);
    syncFolder(join(target, ".."));
  }
}

/** The next bytes. Throws S3Refusal when the disk is full. */
export async function append(file: SpoolFile, bytes: Uint8Array): Promise<void> {
  file.offset = await writeAll(file.fd, bytes, file.offset);
}

/** Returns where the bytes end. */
export async function writeAll(fd: number, bytes: Uint8Array, offset: number): Promise<number> {
  for (let done = 0; done < bytes.length; ) {
    done += (await disk(writeAt(fd, bytes, done, bytes.length - done, offset + done))).bytesWritten;
  }
  return offset + bytes.length;
}

export async function disk<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    const isFull = ["ENOSPC", "EDQUOT"].includes(fsCode(error));
    throw isFull ? new S3Refusal("InsufficientStorage", `the door's disk: ${fsProblem(error)}`, { cause: error }) : error;
  }
}

export function syncFolder(path: string): void {
  const fd = openSync(path, constants.O_RDONLY);
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/**
 * Lines of JSON, each durable when `add` resolves. Lines that are added while one is on its way go together. Of a line that a crash cut
 * off nobody was told.
 */
export class Journal {
  readonly #path: string;
  #fd: number;
  #goodBytes: number;
  #waiting: string[] = [];
  #writing: Promise<void> | null = null;

  private constructor(path: string, fd: number) {
    this.#path = path;
    this.#fd = fd;
    this.#goodBytes = fstatSync(fd).size;
  }

  static open(path: string): { journal: Journal; lines: unknown[] } {
    const { lines, goodText } = readLines(path);
    // Rewritten whole when its end is broken: what follows must stand on a line of its own.
    if (goodText !== null) replaceFile(path, goodText);
    const fd = openSync(path, constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND, OWNER_ONLY);
    return { journal: new Journal(path, fd), lines };
  }

  add(line: object): Promise<void> {
    this.#waiting.push(`${JSON.stringify(line)}\n`);
    this.#writing ??= this.#write().finally(() => {
      this.#writing = null;
    });
    const under = this.#writing;
    // One that came too late for the lines that are being written goes with the next ones.
    return under.then(() => (this.#waiting.length > 0 ? this.#flush() : undefined));
  }

  /** Only these lines. Left for another time while lines are on their way. */
  replace(lines: readonly object[]): void {
    if (this.#writing !== null) return;
    replaceFile(this.#path, lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
    closeSync(this.#fd);
    this.#fd = openSync(this.#path, constants.O_WRONLY | constants.O_APPEND, OWNER_ONLY);
    this.#goodBytes = fstatSync(this.#fd).size;
  }

  close(): void {
    closeSync(this.#fd);
  }

  async #flush(): Promise<void> {
    while (this.#waiting.length > 0) {
      this.#writing ??= this.#write().finally(() => {
        this.#writing = null;
      });
      await this.#writing;
    }
  }

  async #write(): Promise<void> {
    while (this.#waiting.length > 0) {
      const bytes = Buffer.from(this.#waiting.splice(0).join(""));
      try {
        await disk(writeFully(this.#fd, bytes));
        await disk(sync(this.#fd));
      } catch (error) {
        // Half a line would hide all that follow it.
        ftruncateSync(this.#fd, this.#goodBytes);
        throw error;
      }
      this.#goodBytes += bytes.length;
    }
  }
}

async function writeFully(fd: number, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length; ) done += (await writeAt(fd, bytes, done)).bytesWritten;
}

/** `goodText`: what is to stand there instead; null: all of it is good. */
function readLines(path: string): { lines: unknown[]; goodText: string | null } {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if (fsCode(error) === "ENOENT") return { lines: [], goodText: null };
    throw error;
  }
  const lines: unknown[] = [];
  let good = 0;
  for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n", good)) {
    try {
      lines.push(JSON.parse(text.slice(good, end)));
    } catch {
      break;
    }
    good = end + 1;
  }
  return { lines, goodText: good === text.length ? null : text.slice(0, good) };
}

function replaceFile(path: string, text: string): void {
  const fd = openSync(`${path}.new`, constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC, OWNER_ONLY);
  try {
    const bytes = Buffer.from(text);
    for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(`${path}.new`, path);
  syncFolder(join(path, ".."));
}
