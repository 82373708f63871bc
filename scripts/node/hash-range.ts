/** Hashes bytes of an open file. */
import type { Hash } from "node:crypto";
import { MiB } from "../../shared/units.ts";
import { readAt, yieldToOthers } from "./read-at.ts";

const READ_BYTES = MiB;

/** For reading up to so many bytes. */
export function readBuffer(bytes: number): Buffer {
  return Buffer.allocUnsafeSlow(Math.max(1, Math.min(READ_BYTES, bytes)));
}

export type FileRange = { fd: number; from: number; to: number };

/** False when the file ends before. Throws what the disk says, and the signal's reason. */
export async function hashRange(hash: Hash, { fd, from, to }: FileRange, buffer: Buffer, signal: AbortSignal): Promise<boolean> {
  for (let at = from; at < to; ) {
    signal.throwIfAborted();
    const bytesRead = await readAt(fd, buffer.subarray(0, Math.min(buffer.length, to - at)), at);
    if (bytesRead === 0) return false;
    hash.update(buffer.subarray(0, bytesRead));
    at += bytesRead;
    // A chunk may be made of very many short pieces: those don't add up to long.
    if (bytesRead === buffer.length) await yieldToOthers();
  }
  return true;
}
