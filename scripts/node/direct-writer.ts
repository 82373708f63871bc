/**
 * Writes a chunk past the page cache (O_DIRECT): a model larger than the memory would only push everything else out of it, and take twice
 * the CPU (reference/transfer.md §4.4). The disk takes whole blocks from aligned memory to aligned places; the odd bytes before the first
 * and after the last whole block go through the page cache, on a second descriptor. No block is written both ways.
 */
import { write } from "node:fs";
import { promisify } from "node:util";
import { KiB } from "../../shared/units.ts";
import { type Arena, BLOCK_BYTES } from "./arena.ts";
import { fsCode, unwritable } from "./fs-errors.ts";
import type { PartFile } from "./mover.ts";
import { type PartWriter, writeAt } from "./part-writer.ts";

/** Covers the sectors of all disks; a page. */
const ALIGN_BYTES = 4096;
const PIECE_BYTES_MAX = 256 * KiB;
/** What may still come after a connection was asked to pause. */
const MARGIN_BYTES = PIECE_BYTES_MAX;
const writeAsync = promisify(write);

export type DirectFile = PartFile & { directFd: number };

/** A block of memory and what of it is filled: `from` to `to`, the bytes from `fileOffset` of the file. */
type Block = { buffer: Buffer; isFree: boolean; from: number; to: number; fileOffset: number };

export class DirectWriter implements PartWriter {
  readonly pieceBytesMax = PIECE_BYTES_MAX;
  readonly #part: DirectFile;
  readonly #arena: Arena;
  readonly #pair: [Buffer, Buffer];
  readonly #blocks: Block[];
  #filling: Block | null = null;
  /** Writes under way, the oldest first. They are made one after another, so that no older bytes land on newer ones. */
  readonly #writes: Promise<void>[] = [];
  #failure: unknown;
  #isRefused = false;

  constructor(part: DirectFile, arena: Arena, pair: [Buffer, Buffer]) {
    this.#part = part;
    this.#arena = arena;
    this.#pair = pair;
    this.#blocks = pair.map((buffer) => ({ buffer, isFree: true, from: 0, to: 0, fileOffset: 0 }));
  }

  write(bytes: Uint8Array, fileOffset: number): void {
    this.#throwFailure();
    for (let done = 0; done < bytes.length; ) {
      const block = this.#blockFor(fileOffset + done);
      if (block === null) {
        // More came after a pause than there is room for.
        const copy = Buffer.from(bytes.subarray(done));
        this.#enqueue(async () => writeAt(this.#part, copy, fileOffset + done));
        return;
      }
      const piece = bytes.subarray(done, done + BLOCK_BYTES - block.to);
      block.buffer.set(piece, block.to);
      block.to += piece.length;
      done += piece.length;
      if (block.to === BLOCK_BYTES) this.#send(block);
    }
  }

  room(): Promise<void> | null {
    const filling = this.#filling;
    const hasRoom = (filling !== null && BLOCK_BYTES - filling.to >= MARGIN_BYTES) || this.#blocks.some((block) => block.isFree);
    return hasRoom ? null : (this.#writes[0] ?? null);
  }

  restart(): void {
    if (this.#filling !== null) this.#filling.isFree = true;
    this.#filling = null;
  }

  async flush(): Promise<void> {
    if (this.#filling !== null) this.#send(this.#filling);
    await Promise.all(this.#writes);
    this.#throwFailure();
  }

  close(): void {
    this.#arena.give(this.#pair);
  }

  /** The block in which the byte at `fileOffset` comes next; null when both are under way. */
  #blockFor(fileOffset: number): Block | null {
    const filling = this.#filling;
    if (filling !== null && fileOffset === filling.fileOffset + (filling.to - filling.from)) return filling;
    if (filling !== null) this.#send(filling);
    const block = this.#blocks.find((candidate) => candidate.isFree) ?? null;
    if (block === null) return null;
    // In memory as far from an aligned place as in the file.
    block.from = block.to = fileOffset % ALIGN_BYTES;
    block.fileOffset = fileOffset;
    block.isFree = false;
    this.#filling = block;
    return block;
  }

  #send(block: Block): void {
    this.#filling = null;
    this.#enqueue(async () => {
      await this.#put(block.buffer.subarray(block.from, block.to), block.fileOffset);
    }, block);
  }

  #enqueue(work: () => Promise<void>, block: Block | null = null): void {
    const before = this.#writes.at(-1) ?? Promise.resolve();
    const write = before.then(work).then(
      () => this.#wrote(block),
      (error: unknown) => {
        this.#failure ??= unwritable(this.#part.path, error);
        this.#wrote(block);
      },
    );
    this.#writes.push(write);
  }

  #wrote(block: Block | null): void {
    this.#writes.shift();
    if (block !== null) block.isFree = true;
  }

  async #put(bytes: Buffer, fileOffset: number): Promise<void> {
    const first = Math.min(bytes.length, alignedUp(fileOffset) - fileOffset);
    const last = Math.max(first, alignedDown(fileOffset + bytes.length) - fileOffset);
    if (first > 0) writeAt(this.#part, bytes.subarray(0, first), fileOffset);
    if (last > first) await this.#putAligned(bytes.subarray(first, last), fileOffset + first);
    if (last < bytes.length) writeAt(this.#part, bytes.subarray(last), fileOffset + last);
  }

  async #putAligned(bytes: Buffer, fileOffset: number): Promise<void> {
    for (let done = 0; done < bytes.length; ) {
      const rest = bytes.subarray(done);
      if (this.#isRefused) return writeAt(this.#part, rest, fileOffset + done);
      try {
        const { bytesWritten } = await writeAsync(this.#part.directFd, rest, 0, rest.length, fileOffset + done);
        done += alignedDown(bytesWritten);
        if (bytesWritten < ALIGN_BYTES) this.#isRefused = true;
      } catch (error) {
        if (fsCode(error) !== "EINVAL") throw error;
        // The file system takes the flag, but not such writes.
        this.#isRefused = true;
      }
    }
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }
}

function alignedUp(offset: number): number {
  return Math.ceil(offset / ALIGN_BYTES) * ALIGN_BYTES;
}

function alignedDown(offset: number): number {
  return Math.floor(offset / ALIGN_BYTES) * ALIGN_BYTES;
}
