/**
 * Byte ranges as HTTP asks for them, and what they are of the pieces that a file is made of. Every door reads files by these functions.
 *
 * What RFC 9110 §14 leaves open is settled so: what is no byte range, or asks for several at once, is answered with the whole file, as a
 * server may; a range that begins behind the end is unsatisfiable; an end behind the end is the end.
 */

/** Bytes `start` to before `end`. */
export type ByteRange = { start: number; end: number };
export type RangeAnswer = { kind: "whole" } | { kind: "part"; range: ByteRange } | { kind: "unsatisfiable" };

const WHOLE: RangeAnswer = { kind: "whole" };
const UNSATISFIABLE: RangeAnswer = { kind: "unsatisfiable" };

/** @param header value of `Range`, or null when there is none. */
export function rangeOf(header: string | null | undefined, sizeBytes: number): RangeAnswer {
  const [, first, last] = /^\s*bytes\s*=\s*(\d*)\s*-\s*(\d*)\s*$/i.exec(header ?? "") ?? [];
  if (first === undefined || last === undefined || (first === "" && last === "")) return WHOLE;
  // Digits beyond 2^53 round to some number that is behind every end: what counts stays right.
  if (first === "") return part(Math.max(0, sizeBytes - Number(last)), sizeBytes, sizeBytes);
  if (last !== "" && Number(last) < Number(first)) return WHOLE;
  return part(Number(first), last === "" ? sizeBytes : Math.min(Number(last) + 1, sizeBytes), sizeBytes);
}

function part(start: number, end: number, sizeBytes: number): RangeAnswer {
  return start >= sizeBytes || start >= end ? UNSATISFIABLE : { kind: "part", range: { start, end } };
}

/** `Content-Range` of a part. */
export function contentRange({ start, end }: ByteRange, sizeBytes: number): string {
  return `bytes ${start}-${end - 1}/${sizeBytes}`;
}

/** A stretch of an object (a chunk, or a piece that was uploaded), and how it lies in a file: extents follow one another. */
export type Extent<T> = { of: T; offset: number; length: number };

/** The extents of a range, cut at its ends. The extents of the whole file are given in its order, and none is empty. */
export function piecesOf<T>(extents: readonly Extent<T>[], { start, end }: ByteRange): Extent<T>[] {
  const pieces: Extent<T>[] = [];
  let position = 0;
  for (const { of, offset, length } of extents) {
    const from = Math.max(start, position);
    const to = Math.min(end, position + length);
    if (from < to) pieces.push({ of, offset: offset + from - position, length: to - from });
    position += length;
    if (position >= end) break;
  }
  return pieces;
}
