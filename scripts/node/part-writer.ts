/** Writes chunks into a part of a file. */
import { writeSync } from "node:fs";
import { unwritable } from "./fs-errors.ts";
import type { PartFile } from "./mover.ts";

export type PartWriter = {
  /** The longest piece that it likes to be given. */
  readonly pieceBytesMax: number;
  /** The bytes are the caller's again when this returns. */
  write(bytes: Uint8Array, fileOffset: number): void;
  /** Resolves when there is room for more; null when there is. */
  room(): Promise<void> | null;
  /** What is to come may lie where something lies already. */
  restart(): void;
  /** Resolves when all that was written is in the file. Throws FILE_UNWRITABLE. */
  flush(): Promise<void>;
  /** After a flush. */
  close(): void;
};

/**
 * Through the page cache, in the thread that received the bytes, while they are in its processor's cache: handing them to another thread
 * costs more than the wait.
 */
export class CachedWriter implements PartWriter {
  readonly pieceBytesMax = Number.POSITIVE_INFINITY;
  readonly #part: PartFile;

  constructor(part: PartFile) {
    this.#part = part;
  }

  write(bytes: Uint8Array, fileOffset: number): void {
    writeAt(this.#part, bytes, fileOffset);
  }

  room(): null {
    return null;
  }

  restart(): void {}

  async flush(): Promise<void> {}

  close(): void {}
}

export function writeAt({ fd, path }: PartFile, bytes: Uint8Array, fileOffset: number): void {
  try {
    for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done, bytes.length - done, fileOffset + done);
  } catch (error) {
    throw unwritable(path, error);
  }
}
