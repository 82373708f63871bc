/**
 * Sends a chunk's bytes: of a file that is whole, or of one that is still coming, as it comes. Nothing is hashed here: whoever asks so that
 * bytes come without having been read and hashed for that answer hashes them itself (chunk-address.ts, `checks`).
 *
 * In slabs that stay in the processor's cache between the read and the write, in memory that is used again, and read by this thread where the
 * page cache has them: a GiB then costs 0.15 to 0.2 seconds of processor time, nearly all of it the system's two copies; slabs of a MiB cost a
 * tenth more, a stream of the file four times as much.
 */
import { readSync } from "node:fs";
import { ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { SLAB_BYTES, takeSlab } from "../../shared/slabs.ts";
import { KiB } from "../../shared/units.ts";
import { readAt } from "../node/read-at.ts";
import type { ChunkFile } from "./chunk-file.ts";
import type { Filling } from "./filling.ts";

/** Of all readers together; those that come when all are on their way get smaller ones, so that nobody waits for one who reads slowly. */
const SLABS_MAX = 128;
const SMALL_BYTES = 64 * KiB;
const SMALL_KEPT_MAX = 64;
/** A reader that takes nothing for so long is gone. */
const STUCK_MS = 30_000;
/** Of what is read for one reader alone. */
export const PART_BYTES = 512 * KiB;

/** A read that took longer had to wait for a disk: the next ones are left to other threads, so that this one can answer meanwhile. */
const QUICK_MS = 2;
const READS_ELSEWHERE = 16;

/** Memory for what is on its way to readers, and how it is filled. */
export class SendBuffers {
  readonly #slabs: Buffer[] = [];
  readonly #small: Buffer[] = [];
  #made = 0;
  #elsewhere = 0;

  take(): Buffer {
    const slab = this.#slabs.pop();
    if (slab !== undefined) return slab;
    if (this.#made >= SLABS_MAX) return this.#small.pop() ?? Buffer.allocUnsafeSlow(SMALL_BYTES);
    this.#made++;
    return Buffer.allocUnsafeSlow(SLAB_BYTES);
  }

  give(buffer: Buffer): void {
    if (buffer.length === SLAB_BYTES) this.#slabs.push(buffer);
    else if (this.#small.length < SMALL_KEPT_MAX) this.#small.push(buffer);
  }

  /** How many bytes came; 0 at the end of the file. Throws what the disk throws. */
  read(fd: number, buffer: Buffer, offset: number): number | Promise<number> {
    if (this.#elsewhere > 0) {
      this.#elsewhere--;
      return readAt(fd, buffer, offset);
    }
    const startedMs = performance.now();
    const bytes = readSync(fd, buffer, 0, buffer.length, offset);
    if (performance.now() - startedMs > QUICK_MS) this.#elsewhere = READS_ELSEWHERE;
    return bytes;
  }
}

/** Whom bytes are sent to. A response's head is written, with the length of the body. */
export type Reader = ServerResponse | Socket;

/** `from` and `to` (exclusive) in the chunk. */
export type Sent = { from: number; to: number; buffers: SendBuffers; onBytes: (bytes: number) => void };

/** False when the reader went away. Throws what the disk throws. */
export async function sendFile(reader: Reader, file: ChunkFile, sent: Sent): Promise<boolean> {
  return new Sending(reader, file.fd, sent).run(() => sent.to);
}

/**
 * Throws what the filling failed with; once `onFirst` was called nothing can be said to the reader but to break off.
 * @param onFirst the first bytes are there
 */
export async function sendFilling(reader: Reader, filling: Filling, sent: Sent, onFirst: () => void): Promise<boolean> {
  filling.follow();
  try {
    const round = await firstRound(filling, sent.from);
    onFirst();
    return await new Sending(reader, filling.fd, sent).run((offset) => filling.beyond(offset, round));
  } finally {
    filling.unfollow();
  }
}

/** Which round of a filling has more than so many bytes: of one that failed before nobody has to know. Throws what the filling failed with. */
export async function firstRound(filling: Filling, from: number): Promise<number> {
  for (;;) {
    const { round } = filling;
    try {
      await filling.beyond(from, round);
      return round;
    } catch (error) {
      if (filling.hasFailed) throw error;
    }
  }
}

/** Some bytes of a file, at least one, in memory that is the reader's. Throws what the disk throws. */
export async function readPart(fd: number, from: number, to: number): Promise<Uint8Array> {
  const buffer = to - from < SLAB_BYTES ? new Uint8Array(to - from) : takeSlab();
  const bytesRead = await readAt(fd, buffer, from);
  if (bytesRead === 0) throw shorter();
  return buffer.subarray(0, bytesRead);
}

/** Past the response, whose head says how many bytes there are: its own `write` costs a fifth more. */
function pathTo(reader: Reader): Socket | ServerResponse {
  if (!(reader instanceof ServerResponse) || reader.socket === null) return reader;
  reader.flushHeaders();
  return reader.chunkedEncoding ? reader : reader.socket;
}

function shorter(): Error {
  return new Error("the file is shorter than the chunk");
}

/** One range on its way to one reader. */
class Sending {
  readonly #reader: Reader;
  readonly #out: Socket | ServerResponse;
  readonly #fd: number;
  readonly #sent: Sent;
  readonly #inFlight = new Set<Buffer>();
  #isGone = false;
  #wake: () => void = () => {};

  constructor(reader: Reader, fd: number, sent: Sent) {
    this.#reader = reader;
    this.#out = pathTo(reader);
    this.#fd = fd;
    this.#sent = sent;
  }

  /** Resolves when nothing is on its way any more. @param beyond how far bytes may be read, once there are more than so many. */
  async run(beyond: (offset: number) => number | Promise<number>): Promise<boolean> {
    const { from, to } = this.#sent;
    const gone = () => {
      this.#isGone = true;
      this.#wake();
    };
    this.#reader.setTimeout(STUCK_MS, () => this.#reader.destroy());
    this.#reader.once("close", gone);
    try {
      for (let at = from; at < to && !this.#hasLeft; ) {
        at += await this.#slab(at, Math.min(to, await beyond(at)));
        await this.#taken();
      }
      return !this.#hasLeft;
    } finally {
      // The memory is not ours before: it may be read for as long as the socket has it, which is not beyond its close.
      await this.#taken();
      this.#reader.removeListener("close", gone);
      for (const buffer of this.#inFlight) this.#ours(buffer);
    }
  }

  get #hasLeft(): boolean {
    return this.#isGone || this.#reader.destroyed;
  }

  /** Returns how many bytes of it there were. */
  async #slab(at: number, reachable: number): Promise<number> {
    const { buffers, onBytes } = this.#sent;
    const buffer = buffers.take();
    let bytes = 0;
    try {
      const reading = buffers.read(this.#fd, buffer.subarray(0, Math.min(buffer.length, reachable - at)), at);
      bytes = typeof reading === "number" ? reading : await reading;
      if (bytes === 0) throw shorter();
    } catch (error) {
      buffers.give(buffer);
      throw error;
    }
    this.#inFlight.add(buffer);
    this.#out.write(buffer.subarray(0, bytes), (error) => {
      this.#ours(buffer);
      if (error === null || error === undefined) onBytes(bytes);
      this.#wake();
    });
    return bytes;
  }

  /** Some writes of a connection that has ended are never told of. */
  #ours(buffer: Buffer): void {
    if (this.#inFlight.delete(buffer)) this.#sent.buffers.give(buffer);
  }

  /** Until nothing is on its way. */
  async #taken(): Promise<void> {
    while (this.#inFlight.size > 0 && !this.#isGone) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}
