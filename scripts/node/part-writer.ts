/** Writes into a part of a file, through the page cache. */
import { writeSync } from "node:fs";
import { unwritable } from "./fs-errors.ts";
import type { PartFile } from "./mover.ts";

/** In the thread that received the bytes, while they are in its cache: handing them to another costs more than the wait. */
export function writeAt({ fd, path }: PartFile, bytes: Uint8Array, fileOffset: number): void {
  try {
    for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done, bytes.length - done, fileOffset + done);
  } catch (error) {
    throw unwritable(path, error);
  }
}
