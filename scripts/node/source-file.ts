/** One file that is pushed, open for reading, and refused as soon as it is no longer what was listed. */
import { constants, readSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import type { ByteSource } from "../../shared/chunking/source.ts";
import { FerryError } from "../../shared/errors.ts";
import type { SourceFile } from "../../shared/transfer/ports.ts";
import { KiB } from "../../shared/units.ts";
import { unreadable } from "./fs-errors.ts";
import { stampOf } from "./walk.ts";

/** A chunk may be made of very many short ranges: handing each to another thread would cost more than reading it. */
const SYNC_BYTES_MAX = 16 * KiB;

export class OpenSource implements ByteSource {
  readonly #file: SourceFile;
  readonly #handle: FileHandle;

  private constructor(file: SourceFile, handle: FileHandle) {
    this.#file = file;
    this.#handle = handle;
  }

  /** Runs `work` on the open file and checks its stamp before and after. Throws FILE_UNREADABLE, FILE_CHANGED. */
  static async use<T>(file: SourceFile, work: (source: OpenSource) => Promise<T>): Promise<T> {
    const handle = await open(file.local, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch((error: unknown) => {
      throw unreadable(file.path, error);
    });
    try {
      const source = new OpenSource(file, handle);
      await source.check();
      const result = await work(source);
      await source.check();
      return result;
    } finally {
      await handle.close();
    }
  }

  get sizeBytes(): number {
    return this.#file.sizeBytes;
  }

  async check(): Promise<void> {
    const stats = await this.#handle.stat({ bigint: true });
    if (stampOf(stats) !== this.#file.stamp) throw this.#changed();
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    const buffer = Buffer.allocUnsafeSlow(length);
    await this.fill(buffer, offset);
    return buffer;
  }

  /** Fills `buffer` from `offset`. A file that ends too early has changed. */
  async fill(buffer: Uint8Array, offset: number): Promise<void> {
    for (let filled = 0; filled < buffer.length; ) {
      const bytesRead = await this.#readSome(buffer, filled, offset + filled);
      if (bytesRead === 0) throw this.#changed();
      filled += bytesRead;
    }
  }

  async #readSome(buffer: Uint8Array, at: number, offset: number): Promise<number> {
    const length = buffer.length - at;
    try {
      if (length <= SYNC_BYTES_MAX) return readSync(this.#handle.fd, buffer, at, length, offset);
      return (await this.#handle.read(buffer, at, length, offset)).bytesRead;
    } catch (error) {
      throw unreadable(this.#file.path, error);
    }
  }

  #changed(): FerryError {
    return new FerryError("FILE_CHANGED", { path: this.#file.path });
  }
}
