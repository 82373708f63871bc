/**
 * Lets a disk write large files while more of them is coming: left alone it would begin when the last byte is there, and all would wait for
 * it then. One flush at a time: each takes a thread that others need, too.
 */
import { fdatasync } from "node:fs";
import { promisify } from "node:util";
import { MiB } from "../../shared/units.ts";

/** Less is not worth the commit of the file system's journal that comes with it. */
const BYTES_MIN = 32 * MiB;

type Flush = (fd: number) => Promise<void>;
/** Null when another file is being flushed. */
type Start = () => Promise<void> | null;

export class EarlyFlush {
  readonly #flush: Flush;
  #running: Promise<void> | null = null;

  constructor(flush: Flush = promisify(fdatasync)) {
    this.#flush = flush;
  }

  file(fd: number): FlushedFile {
    return new FlushedFile(fd, this.#flush, () => this.#start(fd));
  }

  #start(fd: number): Promise<void> | null {
    if (this.#running !== null) return null;
    this.#running = this.#flush(fd).finally(() => {
      this.#running = null;
    });
    return this.#running;
  }
}

export class FlushedFile {
  readonly #fd: number;
  readonly #flush: Flush;
  readonly #start: Start;
  #running: Promise<void> = Promise.resolve();
  #waitingBytes = 0;
  #failure: { error: unknown } | null = null;

  constructor(fd: number, flush: Flush, start: Start) {
    this.#fd = fd;
    this.#flush = flush;
    this.#start = start;
  }

  /** So many bytes more are in the file. */
  wrote(bytes: number): void {
    this.#waitingBytes += bytes;
    if (this.#waitingBytes < BYTES_MIN) return;
    const running = this.#start();
    if (running === null) return;
    this.#waitingBytes = 0;
    this.#running = running.catch((error: unknown) => {
      this.#failure ??= { error };
    });
  }

  /** Resolves when all is on the disk. Throws what any flush of the file threw: a system tells of a lost write only once. */
  async end(): Promise<void> {
    await this.idle();
    if (this.#failure !== null) throw this.#failure.error;
    await this.#flush(this.#fd);
  }

  /** Resolves when nothing is under way: the file may be closed then. */
  idle(): Promise<void> {
    return this.#running;
  }
}
