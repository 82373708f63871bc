/** A file that lies in pieces in a store, as the chunker reads it: mostly forward, so each request brings more than is asked for at once. */
import type { ByteSource } from "../../../shared/chunking/source.ts";
import { FerryError } from "../../../shared/errors.ts";
import { MiB } from "../../../shared/units.ts";
import type { Objects } from "../ports.ts";

const FIRST_BYTES = MiB;
const WINDOW_BYTES_MAX = 64 * MiB;
/** To read on over a gap is cheaper than a request. */
const GAP_BYTES_MAX = MiB;

export class PieceSource implements ByteSource {
  readonly sizeBytes: number;
  readonly #objects: Objects;
  readonly #pieces: readonly { key: string; sizeBytes: number }[];
  readonly #pieceBytes: number;
  #stop = new AbortController();
  #reader: ReadableStreamDefaultReader<Uint8Array> | null = null;
  /** Where `rest` begins in the file, and the open request ends. */
  #at = 0;
  #end = 0;
  #rest: Uint8Array = new Uint8Array();
  #windowBytes = FIRST_BYTES;

  /** @param pieces all but the last of `pieceBytes`. */
  constructor(objects: Objects, pieces: readonly { key: string; sizeBytes: number }[], pieceBytes: number) {
    this.#objects = objects;
    this.#pieces = pieces;
    this.#pieceBytes = pieceBytes;
    this.sizeBytes = pieces.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(length);
    for (let filled = 0; filled < length; ) {
      const part = await this.#take(offset + filled, length - filled);
      bytes.set(part, filled);
      filled += part.length;
    }
    return bytes;
  }

  close(): void {
    this.#stop.abort();
    this.#reader?.cancel().catch(() => {});
    this.#reader = null;
  }

  /** At least one and at most `length` bytes from `offset`. */
  async #take(offset: number, length: number): Promise<Uint8Array> {
    await this.#seek(offset);
    while (this.#rest.length === 0) this.#rest = await this.#next();
    const part = this.#rest.subarray(0, length);
    this.#rest = this.#rest.subarray(part.length);
    this.#at += part.length;
    return part;
  }

  async #seek(offset: number): Promise<void> {
    const gap = offset - this.#at;
    if (this.#reader === null || gap < 0 || gap > GAP_BYTES_MAX || offset >= this.#end) return this.#open(offset);
    while (this.#at < offset) {
      if (this.#rest.length === 0) this.#rest = await this.#next();
      const skipped = Math.min(this.#rest.length, offset - this.#at);
      this.#rest = this.#rest.subarray(skipped);
      this.#at += skipped;
    }
  }

  async #open(offset: number): Promise<void> {
    const isForward = this.#reader !== null && offset === this.#end;
    this.#windowBytes = isForward ? Math.min(2 * this.#windowBytes, WINDOW_BYTES_MAX) : FIRST_BYTES;
    this.close();
    this.#stop = new AbortController();
    const at = Math.floor(offset / this.#pieceBytes);
    const piece = this.#pieces[at];
    const within = offset - at * this.#pieceBytes;
    const length = Math.min((piece?.sizeBytes ?? 0) - within, this.#windowBytes);
    const stream = piece === undefined ? null : await this.#objects.open(piece.key, { offset: within, length }, this.#stop.signal);
    if (stream === null) throw new FerryError("STORAGE_UNAVAILABLE", { store: "home", problem: "an uploaded part is gone" });
    this.#reader = stream.getReader();
    [this.#at, this.#end, this.#rest] = [offset, offset + length, new Uint8Array()];
  }

  async #next(): Promise<Uint8Array> {
    const result = await this.#reader?.read();
    if (result?.value !== undefined) return result.value;
    throw new FerryError("STORAGE_UNAVAILABLE", { store: "home", problem: "an uploaded part broke off" });
  }
}
