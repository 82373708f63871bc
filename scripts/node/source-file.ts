/** One file that is pushed, open for reading, and refused as soon as it is no longer what was listed. */
import { close, constants, fstatSync, open } from "node:fs";
import { promisify } from "node:util";
import type { ByteSource } from "../../shared/chunking/source.ts";
import { FerryError } from "../../shared/errors.ts";
import type { SourceFile } from "../../shared/transfer/ports.ts";
import { unreadable } from "./fs-errors.ts";
import { readAt } from "./read-at.ts";
import { stampOf } from "./walk.ts";

const OPEN = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
const [openAsync, closeAsync] = [promisify(open), promisify(close)];

/** What is pushed from: `check` throws FILE_CHANGED when it is no longer what was listed. */
export type CheckedSource = ByteSource & { check(): void; fill(buffer: Uint8Array, offset: number): Promise<void> };

export class OpenSource implements CheckedSource {
  readonly #file: SourceFile;
  readonly #fd: number;

  private constructor(file: SourceFile, fd: number) {
    this.#file = file;
    this.#fd = fd;
  }

  /** Runs `work` on the open file and checks its stamp before and after. Throws FILE_UNREADABLE, FILE_CHANGED. */
  static async use<T>(file: SourceFile, work: (source: OpenSource) => Promise<T>): Promise<T> {
    const fd = await openAsync(file.local, OPEN).catch((error: unknown) => {
      throw unreadable(file.path, error);
    });
    try {
      const source = new OpenSource(file, fd);
      source.check();
      const result = await work(source);
      source.check();
      return result;
    } finally {
      await closeAsync(fd);
    }
  }

  get sizeBytes(): number {
    return this.#file.sizeBytes;
  }

  /** What an open file is said to be is known to the system: no other thread is asked. */
  check(): void {
    if (stampOf(fstatSync(this.#fd, { bigint: true })) !== this.#file.stamp) throw this.#changed();
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    const buffer = Buffer.allocUnsafeSlow(length);
    await this.fill(buffer, offset);
    return buffer;
  }

  /** Fills `buffer` from `offset`. A file that ends too early has changed. */
  async fill(buffer: Uint8Array, offset: number): Promise<void> {
    for (let filled = 0; filled < buffer.length; ) {
      const bytesRead = await readAt(this.#fd, buffer.subarray(filled), offset + filled).catch((error: unknown) => {
        throw unreadable(this.#file.path, error);
      });
      if (bytesRead === 0) throw this.#changed();
      filled += bytesRead;
    }
  }

  #changed(): FerryError {
    return new FerryError("FILE_CHANGED", { path: this.#file.path });
  }
}
