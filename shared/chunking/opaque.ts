/**
 * Files without a structure that we know, rule 5 of `ta1`: one chunk up to the piece size, else content-defined cuts by a gear hash,
 * so that an insertion moves the cuts near it and no others. Memory is one block, whatever the file's size.
 */
import { fromHex, sha256 } from "../digest.ts";
import type { Ta1Constants } from "./constants.ts";
import type { PlannedChunk } from "./group.ts";
import { type ByteSource, READ_BYTES_MAX, readExactly } from "./source.ts";

/** A bit of the 32-bit hash forgets a byte after 32 more, so this many bytes fill it. */
const WARM_UP_BYTES = 32;

export async function cutOpaque(source: ByteSource, constants: Ta1Constants): Promise<PlannedChunk[]> {
  const { sizeBytes } = source;
  if (sizeBytes === 0) return [];
  if (sizeBytes <= constants.pieceBytes) return [piece(0, sizeBytes)];
  const scanner = new GearScanner(await gearTable(), constants.gearBits);
  const chunks: PlannedChunk[] = [];
  for (let start = 0; start < sizeBytes; ) {
    const end = await findCut(source, start, scanner, constants);
    chunks.push(piece(start, end - start));
    start = end;
  }
  return chunks;
}

function piece(offset: number, lengthBytes: number): PlannedChunk {
  return { sizeBytes: lengthBytes, ranges: [[offset, lengthBytes]] };
}

/** Where the chunk that starts at `start` ends: after the first byte from the minimum on at which the hash says so. */
async function findCut(source: ByteSource, start: number, scanner: GearScanner, constants: Ta1Constants): Promise<number> {
  const end = Math.min(start + constants.pieceBytes, source.sizeBytes);
  const first = start + constants.gearMinBytes;
  if (first >= end) return end;
  scanner.warmUp(await readExactly(source, first - WARM_UP_BYTES, WARM_UP_BYTES));
  for (let offset = first; offset < end; offset += READ_BYTES_MAX) {
    const found = scanner.scan(await readExactly(source, offset, Math.min(READ_BYTES_MAX, end - offset)));
    if (found >= 0) return offset + found + 1;
  }
  return end;
}

class GearScanner {
  readonly #table: Int32Array;
  readonly #mask: number;
  #hash = 0;

  constructor(table: Int32Array, bits: number) {
    this.#table = table;
    this.#mask = -1 << (32 - bits);
  }

  /** Starts anew with the bytes before the first that is looked at. */
  warmUp(bytes: Uint8Array): void {
    this.#hash = 0;
    for (const byte of bytes) this.#hash = ((this.#hash << 1) + (this.#table[byte] ?? 0)) | 0;
  }

  /** Index of the first byte at which the leading bits of the hash are 0; -1 if there is none. */
  scan(block: Uint8Array): number {
    const table = this.#table;
    const mask = this.#mask;
    let hash = this.#hash;
    for (let index = 0; index < block.length; index++) {
      hash = ((hash << 1) + (table[block[index] ?? 0] ?? 0)) | 0;
      if ((hash & mask) === 0) return index;
    }
    this.#hash = hash;
    return -1;
  }
}

let table: Int32Array | null = null;

/** One pseudo-random number for each byte value: the first four bytes of sha256("ta1-gear-<byte>"), little-endian. */
async function gearTable(): Promise<Int32Array> {
  if (table !== null) return table;
  const digests = await Promise.all(Array.from({ length: 256 }, (_, byte) => sha256(`ta1-gear-${byte}`)));
  const view = new DataView(fromHex(digests.map((digest) => digest.slice(0, 8)).join("")).buffer);
  table = Int32Array.from(digests, (_, byte) => view.getInt32(4 * byte, true));
  return table;
}
