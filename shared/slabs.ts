/**
 * Memory for bytes on their way through, used again and again: fresh memory for each read has to be zeroed by the system, and makes the
 * runtime collect garbage every few dozen MiB, which together costs more than to receive and send them. Whoever had a slab gives it back when
 * nobody reads it any more; one that is never given back is garbage like all else.
 */
import { KiB } from "./units.ts";

/** Between a read and a write it should stay in the processor's cache. */
export const SLAB_BYTES = 256 * KiB;
const FREE_MAX = 128;

type Slab = Uint8Array<ArrayBuffer>;

const free: Slab[] = [];
const taken = new WeakSet<ArrayBufferLike>();

/** What was in it before is still there. */
export function takeSlab(): Slab {
  const slab = free.pop() ?? new Uint8Array(SLAB_BYTES);
  taken.add(slab.buffer);
  return slab;
}

/** @param bytes of a slab, or any others: those are left alone. Nobody may look at them after this. */
export function giveSlab({ buffer }: Uint8Array): void {
  if (!taken.delete(buffer) || !(buffer instanceof ArrayBuffer)) return;
  if (free.length < FREE_MAX) free.push(new Uint8Array(buffer));
}
