/** Reads from an open file in the way that suits the thread. */
import { read, readSync } from "node:fs";
import { promisify } from "node:util";
import { isMainThread } from "node:worker_threads";
import { KiB } from "../../shared/units.ts";

/**
 * A data thread reads by itself: handing a read to another thread and back costs more than it takes, even from a disk
 * (reference/transfer.md §5). The main thread must stay able to answer, but for reads so short that handing them over costs more.
 */
const SYNC_BYTES_MAX = isMainThread ? 16 * KiB : Number.POSITIVE_INFINITY;
const readAsync = promisify(read);

/** How many bytes came; 0 at the end of the file. */
export async function readAt(fd: number, buffer: Uint8Array, offset: number): Promise<number> {
  if (buffer.length <= SYNC_BYTES_MAX) return readSync(fd, buffer, 0, buffer.length, offset);
  return (await readAsync(fd, buffer, 0, buffer.length, offset)).bytesRead;
}

/** Lets others of this thread run between two long steps, such as connections that have sent what they had. */
export function yieldToOthers(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
