/**
 * Files in the form in which Xet's clients load them. A xorb is bytes in frames of at most 128 KiB, each behind a head of 8 bytes; we store
 * none, but frame a file's bytes as they are sent: windows of a file stand for xorbs. So every place is arithmetic, and nothing is kept.
 */
import { type ByteRange, rangeOf } from "../../../shared/ranges.ts";
import { KiB } from "../../../shared/units.ts";

const FRAME_BYTES = 128 * KiB;
const HEAD_BYTES = 8;
const FRAMED_BYTES = FRAME_BYTES + HEAD_BYTES;
const WINDOW_FRAMES = 128;
/** What a client loads at once; it has several of them under way. */
export const WINDOW_BYTES = WINDOW_FRAMES * FRAME_BYTES;

/** Frames `start` to before `end` of a window. */
export type Term = { window: number; start: number; end: number; unpackedBytes: number; firstByte: number; lastByte: number };

function windowLength(sizeBytes: number, window: number): number {
  return Math.max(0, Math.min(WINDOW_BYTES, sizeBytes - window * WINDOW_BYTES));
}

/** Length of the first frames of a window with their heads. */
function framedLength(windowBytes: number, frames: number): number {
  return Math.min(frames * FRAME_BYTES, windowBytes) + frames * HEAD_BYTES;
}

/** What brings a range of a file, and how many bytes of it come before the range. */
export function termsOf(sizeBytes: number, { start, end }: ByteRange): { skipBytes: number; terms: Term[] } {
  const terms: Term[] = [];
  for (let window = Math.floor(start / WINDOW_BYTES); window * WINDOW_BYTES < end; window++) {
    const offset = window * WINDOW_BYTES;
    const length = windowLength(sizeBytes, window);
    const from = Math.max(0, Math.floor((start - offset) / FRAME_BYTES));
    const to = Math.ceil(Math.min(length, end - offset) / FRAME_BYTES);
    const unpackedBytes = Math.min(to * FRAME_BYTES, length) - from * FRAME_BYTES;
    terms.push({ window, start: from, end: to, unpackedBytes, firstByte: from * FRAMED_BYTES, lastByte: framedLength(length, to) - 1 });
  }
  const first = terms[0];
  return { skipBytes: first === undefined ? 0 : start - first.window * WINDOW_BYTES - first.start * FRAME_BYTES, terms };
}

export type WindowPart = { file: ByteRange; framed: ByteRange; framedSize: number };

/** The part of a framed window that a Range header asks for; null when it does not begin and end with frames, or is behind the end. */
export function windowPart(sizeBytes: number, window: number, header: string | null): WindowPart | null {
  const length = windowLength(sizeBytes, window);
  const framedSize = framedLength(length, Math.ceil(length / FRAME_BYTES));
  const asked = rangeOf(header, framedSize);
  if (length === 0 || asked.kind === "unsatisfiable") return null;
  const framed = asked.kind === "part" ? asked.range : { start: 0, end: framedSize };
  const isWhole = framed.start % FRAMED_BYTES === 0 && (framed.end % FRAMED_BYTES === 0 || framed.end === framedSize);
  if (!isWhole) return null;
  const offset = window * WINDOW_BYTES;
  const start = offset + (framed.start / FRAMED_BYTES) * FRAME_BYTES;
  const end = offset + Math.min(length, Math.ceil(framed.end / FRAMED_BYTES) * FRAME_BYTES);
  return { file: { start, end }, framed, framedSize };
}

/** Puts a head before each frame of a stream of so many bytes that begins with a frame. */
export function framed(bytes: ReadableStream<Uint8Array>, lengthBytes: number): ReadableStream<Uint8Array> {
  let at = 0;
  const transform = new TransformStream<Uint8Array, Uint8Array>({
    transform(slab, controller) {
      controller.enqueue(withHeads(slab, at, lengthBytes));
      at += slab.length;
    },
  });
  return bytes.pipeThrough(transform);
}

/** @param at how many bytes came before the slab */
function withHeads(slab: Uint8Array, at: number, lengthBytes: number): Uint8Array {
  const firstHead = Math.ceil(at / FRAME_BYTES);
  const heads = Math.max(0, Math.ceil((at + slab.length) / FRAME_BYTES) - firstHead);
  const out = new Uint8Array(slab.length + heads * HEAD_BYTES);
  let [read, written] = [0, 0];
  while (read < slab.length) {
    const inFrame = (at + read) % FRAME_BYTES;
    if (inFrame === 0) {
      out.set(headOf(Math.min(FRAME_BYTES, lengthBytes - at - read)), written);
      written += HEAD_BYTES;
    }
    const length = Math.min(slab.length - read, FRAME_BYTES - inFrame);
    out.set(slab.subarray(read, read + length), written);
    read += length;
    written += length;
  }
  return out;
}

/** Version 0, length as it is sent (3 bytes, little-endian), scheme 0: as it is, length. */
function headOf(length: number): Uint8Array {
  const bytes = [length & 0xff, (length >> 8) & 0xff, length >> 16];
  return Uint8Array.from([0, ...bytes, 0, ...bytes]);
}
