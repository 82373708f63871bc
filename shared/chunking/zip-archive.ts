/** Where an archive's central directory is, and so where the archive starts, found from its end: EOCD, ZIP64 locator, ZIP64 EOCD. */
import { KiB } from "../units.ts";
import { type ByteSource, Cursor, Malformed, readExactly } from "./source.ts";

/** Absolute positions in the file. */
export type Archive = { start: number; directoryStart: number; directoryBytes: number; memberCount: number };

type End = { memberCount: number; directoryBytes: number; directoryOffset: number };

const END_BYTES = 22;
const END_SIGNATURE = 0x06054b50;
const COMMENT_BYTES_MAX = 0xffff;
const LOCATOR_BYTES = 20;
const LOCATOR_SIGNATURE = 0x07064b50;
const END64_BYTES = 56;
const END64_SIGNATURE = 0x06064b50;
/** What the size field of a ZIP64 EOCD without extensions says. Only such a one can be found from behind. */
const END64_REST_BYTES = 44;
const TAIL_WINDOW_BYTES = 4 * KiB;

/** Finds archive after archive from the file's end on. */
export class ArchiveFinder {
  readonly #source: ByteSource;
  #window: Uint8Array = new Uint8Array(0);
  #windowStart = 0;

  constructor(source: ByteSource) {
    this.#source = source;
  }

  /** The archive that ends at `end`; null if none does. Throws Malformed when one seems to, but contradicts itself. */
  async find(end: number): Promise<Archive | null> {
    const endStart = (await this.#findEnd(end, END_BYTES)) ?? (await this.#findEnd(end, END_BYTES + COMMENT_BYTES_MAX));
    if (endStart === null) return null;
    const plain = readEnd(await this.#at(endStart, END_BYTES));
    const recordOffset = await this.#recordOffset(endStart);
    const tailStart = recordOffset === null ? endStart : endStart - LOCATOR_BYTES - END64_BYTES;
    const { memberCount, directoryBytes, directoryOffset } =
      recordOffset === null ? plain : readEnd64(await this.#at(tailStart, END64_BYTES));
    const directoryStart = tailStart - directoryBytes;
    const start = directoryStart - directoryOffset;
    if (start < 0) throw new Malformed("the directory is larger than the file");
    if (recordOffset !== null && start + recordOffset !== tailStart) throw new Malformed("the ZIP64 record is elsewhere");
    return { start, directoryStart, directoryBytes, memberCount };
  }

  /** Start of the EOCD whose comment reaches to `end`, within the last `tailBytes` bytes. */
  async #findEnd(end: number, tailBytes: number): Promise<number | null> {
    const length = Math.min(end, tailBytes);
    const tail = await this.#bytes(end - length, length);
    const view = new DataView(tail.buffer, tail.byteOffset, tail.byteLength);
    for (let at = length - END_BYTES; at >= 0; at--) {
      const commentBytes = length - at - END_BYTES;
      if (view.getUint32(at, true) === END_SIGNATURE && view.getUint16(at + 20, true) === commentBytes) return end - length + at;
    }
    return null;
  }

  /** What the ZIP64 locator before the EOCD says; null if there is no locator. */
  async #recordOffset(endStart: number): Promise<number | null> {
    if (endStart < LOCATOR_BYTES + END64_BYTES) return null;
    const locator = await this.#at(endStart - LOCATOR_BYTES, LOCATOR_BYTES);
    if (locator.u32() !== LOCATOR_SIGNATURE) return null;
    locator.skip(4);
    return locator.u64();
  }

  async #at(start: number, length: number): Promise<Cursor> {
    const bytes = await this.#bytes(start, length);
    const cursor = new Cursor({ sizeBytes: length, read: async () => bytes }, { start: 0, end: length, windowBytes: length });
    await cursor.need(length);
    return cursor;
  }

  /** From a window that ends with these bytes, because the next ones wanted lie before them. */
  async #bytes(start: number, length: number): Promise<Uint8Array> {
    if (start < this.#windowStart || start + length > this.#windowStart + this.#window.length) {
      const end = start + length;
      this.#windowStart = Math.min(start, Math.max(0, end - TAIL_WINDOW_BYTES));
      this.#window = await readExactly(this.#source, this.#windowStart, end - this.#windowStart);
    }
    return this.#window.subarray(start - this.#windowStart, start - this.#windowStart + length);
  }
}

function readEnd(cursor: Cursor): End {
  cursor.skip(10);
  return { memberCount: cursor.u16(), directoryBytes: cursor.u32(), directoryOffset: cursor.u32() };
}

function readEnd64(cursor: Cursor): End {
  if (cursor.u32() !== END64_SIGNATURE || cursor.u64() !== END64_REST_BYTES) throw new Malformed("the ZIP64 record is missing");
  cursor.skip(20);
  return { memberCount: cursor.u64(), directoryBytes: cursor.u64(), directoryOffset: cursor.u64() };
}
