/** Hashes bytes of an open file. */
import type { Hash } from "node:crypto";
import { read, readSync } from "node:fs";
import { promisify } from "node:util";
import { KiB, MiB } from "../../shared/units.ts";

const READ_BYTES = MiB;
/** A chunk may be made of very many short pieces: handing each to another thread would cost more than reading it. */
const SYNC_BYTES_MAX = 16 * KiB;
const readAt = promisify(read);

/** For reading up to so many bytes. */
export function readBuffer(bytes: number): Buffer {
  return Buffer.allocUnsafeSlow(Math.max(1, Math.min(READ_BYTES, bytes)));
}

export type FileRange = { fd: number; from: number; to: number };

/** False when the file ends before. Throws what the disk says, and the signal's reason. */
export async function hashRange(hash: Hash, { fd, from, to }: FileRange, buffer: Buffer, signal: AbortSignal): Promise<boolean> {
  for (let at = from; at < to; ) {
    signal.throwIfAborted();
    const length = Math.min(buffer.length, to - at);
    const isShort = length <= SYNC_BYTES_MAX;
    const bytesRead = isShort ? readSync(fd, buffer, 0, length, at) : (await readAt(fd, buffer, 0, length, at)).bytesRead;
    if (bytesRead === 0) return false;
    hash.update(buffer.subarray(0, bytesRead));
    at += bytesRead;
  }
  return true;
}
