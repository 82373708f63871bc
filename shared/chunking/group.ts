/** From segments to chunks, rules 2 to 4 of `ta1`: big tensors alone, small ones in groups that close by name, the rest as residue. */
import type { Ta1Constants } from "./constants.ts";
import type { Segments } from "./segments.ts";
import { Malformed } from "./source.ts";

export type Range = [offset: number, lengthBytes: number];

/** A chunk to be made: its bytes are those of `ranges`, which are in file order and do not touch. */
export type PlannedChunk = { sizeBytes: number; ranges: Range[] };

/** A long stretch of meta is treated as a tensor without a name, and the CRC-32 of no bytes is 0: it always closes its group. */
const KEY_OF_META = 0;

/** @param segments sealed. What lies between them is meta: headers, gaps, padding. Throws Malformed on too much scatter. */
export function groupSegments(segments: Segments, sizeBytes: number, constants: Ta1Constants): PlannedChunk[] {
  if (segments.gapCount > constants.gapsMax) throw new Malformed("there are too many gaps");
  const grouping = new Grouping(constants);
  let position = 0;
  for (let index = 0; index < segments.count; index++) {
    const start = segments.start(index);
    const lengthBytes = segments.lengthBytes(index);
    grouping.meta(position, start - position);
    grouping.tensor(start, lengthBytes, segments.key(index));
    position = start + lengthBytes;
  }
  grouping.meta(position, sizeBytes - position);
  return grouping.finish();
}

class Grouping {
  readonly #constants: Ta1Constants;
  readonly #chunks: PlannedChunk[] = [];
  readonly #residue: Range[] = [];
  #group: PlannedChunk = { sizeBytes: 0, ranges: [] };

  constructor(constants: Ta1Constants) {
    this.#constants = constants;
  }

  /** Short meta goes to the residue and does not break a run of small tensors. */
  meta(offset: number, lengthBytes: number): void {
    if (lengthBytes >= this.#constants.minBytes) this.tensor(offset, lengthBytes, KEY_OF_META);
    else if (lengthBytes > 0) extend(this.#residue, offset, lengthBytes);
  }

  tensor(offset: number, lengthBytes: number, key: number): void {
    const { bigBytes, pieceBytes, targetBytes } = this.#constants;
    if (lengthBytes === 0) return;
    if (lengthBytes >= bigBytes) {
      this.#close();
      this.#cut(offset, lengthBytes);
      return;
    }
    if (this.#group.sizeBytes + lengthBytes > pieceBytes) this.#close();
    this.#group.sizeBytes += lengthBytes;
    extend(this.#group.ranges, offset, lengthBytes);
    // Whether a group ends at a tensor depends on that tensor alone, so that an insertion moves no later boundary.
    if (key < (0x1_0000_0000 * lengthBytes) / targetBytes) this.#close();
  }

  finish(): PlannedChunk[] {
    this.#close();
    this.#chunks.push(...cutRanges(inFileOrder(this.#residue), this.#constants.pieceBytes));
    return this.#chunks.sort((a, b) => firstOffset(a) - firstOffset(b));
  }

  /** Pieces of a big tensor. The last one takes up to `bigBytes` more, so that none is short. */
  #cut(offset: number, lengthBytes: number): void {
    const { bigBytes, pieceBytes } = this.#constants;
    let left = lengthBytes;
    for (; left >= pieceBytes + bigBytes; left -= pieceBytes) this.#piece(offset + lengthBytes - left, pieceBytes);
    this.#piece(offset + lengthBytes - left, left);
  }

  #piece(offset: number, lengthBytes: number): void {
    this.#chunks.push({ sizeBytes: lengthBytes, ranges: [[offset, lengthBytes]] });
  }

  #close(): void {
    const group = this.#group;
    this.#group = { sizeBytes: 0, ranges: [] };
    if (group.sizeBytes >= this.#constants.minBytes) this.#chunks.push(group);
    else for (const [offset, lengthBytes] of group.ranges) extend(this.#residue, offset, lengthBytes);
  }
}

function firstOffset(chunk: PlannedChunk): number {
  return chunk.ranges[0]?.[0] ?? 0;
}

/** Appends a range, or lengthens the last one that it touches. */
function extend(ranges: Range[], offset: number, lengthBytes: number): void {
  const last = ranges.at(-1);
  if (last !== undefined && last[0] + last[1] === offset) last[1] += lengthBytes;
  else ranges.push([offset, lengthBytes]);
}

function inFileOrder(ranges: Range[]): Range[] {
  const ordered: Range[] = [];
  for (const [offset, lengthBytes] of ranges.sort((a, b) => a[0] - b[0])) extend(ordered, offset, lengthBytes);
  return ordered;
}

/** The concatenation of `ranges`, cut every `pieceBytes` bytes. */
function* cutRanges(ranges: Range[], pieceBytes: number): Generator<PlannedChunk> {
  let chunk: PlannedChunk = { sizeBytes: 0, ranges: [] };
  for (const [offset, lengthBytes] of ranges) {
    let taken = 0;
    while (taken < lengthBytes) {
      const takenNow = Math.min(lengthBytes - taken, pieceBytes - chunk.sizeBytes);
      chunk.ranges.push([offset + taken, takenNow]);
      chunk.sizeBytes += takenNow;
      taken += takenNow;
      if (chunk.sizeBytes < pieceBytes) continue;
      yield chunk;
      chunk = { sizeBytes: 0, ranges: [] };
    }
  }
  if (chunk.sizeBytes > 0) yield chunk;
}
