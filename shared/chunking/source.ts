/**
 * How the chunker reads a file: a random-access port, and a cursor on it that never holds more than one window and never reads past
 * its end. Everything that a file says about itself goes through the cursor, so no claimed length or offset is believed before use.
 */
import { FerryError } from "../errors.ts";
import { MiB } from "../units.ts";

/** A file that does not change while it is read. `read` answers exactly `length` bytes, and is asked only for bytes inside the file. */
export interface ByteSource {
  readonly sizeBytes: number;
  read(offset: number, length: number): Promise<Uint8Array>;
}

/** The longest single read, and so the memory that a file's content takes while it is planned. */
export const READ_BYTES_MAX = MiB;

/** The bytes break the rules of the format that they seem to have. Never leaves the chunker: such a file is opaque. */
export class Malformed extends Error {}

/** Throws FILE_CHANGED when the source answers with another length: the file is no longer the one whose size was taken. */
export async function readExactly(source: ByteSource, offset: number, length: number): Promise<Uint8Array> {
  if (length === 0) return new Uint8Array(0);
  const bytes = await source.read(offset, length);
  if (bytes.length !== length) throw new FerryError("FILE_CHANGED", { path: "the file" });
  return bytes;
}

/** Reads forward over `source`, from `start` up to `end`. `need` and `lookAhead` load; the rest is synchronous on what they loaded. */
export class Cursor {
  readonly end: number;
  readonly #source: ByteSource;
  readonly #windowBytes: number;
  #bytes: Uint8Array = new Uint8Array(0);
  #view: DataView = new DataView(new ArrayBuffer(0));
  #windowStart: number;
  #at = 0;

  constructor(source: ByteSource, options: { start: number; end: number; windowBytes: number }) {
    this.#source = source;
    this.end = options.end;
    this.#windowBytes = Math.min(options.windowBytes, READ_BYTES_MAX);
    this.#windowStart = options.start;
  }

  get position(): number {
    return this.#windowStart + this.#at;
  }

  /** How many bytes are left up to the end. */
  get remaining(): number {
    return this.end - this.position;
  }

  /** How many bytes can be taken without a load. */
  get loaded(): number {
    return Math.max(0, this.#bytes.length - this.#at);
  }

  /** Loads so that `count` bytes can be taken. Throws Malformed when they are not there. */
  async need(count: number): Promise<void> {
    if (count <= this.loaded) return;
    if (count > this.remaining || count > READ_BYTES_MAX) throw new Malformed("the file ends too early");
    const start = this.position;
    const bytes = await readExactly(this.#source, start, Math.min(this.end - start, Math.max(count, this.#windowBytes)));
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#windowStart = start;
    this.#at = 0;
  }

  /** Loads so that `count` bytes can be taken, or all that are left. */
  async lookAhead(count: number): Promise<void> {
    await this.need(Math.min(count, this.remaining));
  }

  /** Moves to `position`; loads nothing. */
  seek(position: number): void {
    if (position < 0 || position > this.end) throw new Malformed("an offset points outside");
    const at = position - this.#windowStart;
    if (at >= 0 && at <= this.#bytes.length) {
      this.#at = at;
      return;
    }
    this.#bytes = new Uint8Array(0);
    this.#windowStart = position;
    this.#at = 0;
  }

  skip(count: number): void {
    this.seek(this.position + count);
  }

  u8(): number {
    return this.#view.getUint8(this.#take(1));
  }

  u16(): number {
    return this.#view.getUint16(this.#take(2), true);
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4), true);
  }

  /** An unsigned 64-bit integer. One beyond 2^53 - 1 is Malformed: no length, offset or count of a real file is. */
  u64(): number {
    const low = this.u32();
    const high = this.u32();
    if (high > 0x1fffff) throw new Malformed("an integer is beyond 2^53");
    return high * 0x1_0000_0000 + low;
  }

  /** The next `count` bytes, valid until the next load. */
  bytes(count: number): Uint8Array {
    const at = this.#take(count);
    return this.#bytes.subarray(at, at + count);
  }

  /** The next byte, not taken. */
  peek(): number {
    const byte = this.u8();
    this.#at--;
    return byte;
  }

  /** What is loaded and not taken, valid until the next load. */
  rest(): Uint8Array {
    return this.#bytes.subarray(this.#at);
  }

  #take(count: number): number {
    const at = this.#at;
    if (at + count > this.#bytes.length) throw new Malformed("something is longer than it may be");
    this.#at = at + count;
    return at;
  }
}
