/** Sends a chunk's bytes: of a file that is whole, or of one that is still coming, as it comes. */
import type { ServerResponse } from "node:http";
import { KiB } from "../../shared/units.ts";
import { readAt } from "../node/read-at.ts";
import type { ChunkFile } from "./chunk-file.ts";
import type { Filling } from "./filling.ts";

const BUFFER_BYTES = 512 * KiB;
/** Of all answers together. Whoever needs one more waits. */
const BUFFERS_MAX = 64;
/** A reader that takes nothing for so long is gone. */
const STUCK_MS = 30_000;

/** Memory for what is on its way to readers. */
export class SendBuffers {
  readonly #free: Buffer[] = [];
  readonly #waiting: ((buffer: Buffer) => void)[] = [];
  #made = 0;

  async take(): Promise<Buffer> {
    const free = this.#free.pop();
    if (free !== undefined) return free;
    if (this.#made < BUFFERS_MAX) {
      this.#made++;
      return Buffer.allocUnsafeSlow(BUFFER_BYTES);
    }
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  give(buffer: Buffer): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free.push(buffer);
    else next(buffer);
  }
}

export type Sent = { from: number; to: number; buffers: SendBuffers; onBytes: (bytes: number) => void };

/** False when the reader went away. Throws what the disk throws. */
export async function sendFile(response: ServerResponse, file: ChunkFile, sent: Sent): Promise<boolean> {
  return send(response, file.fd, sent, async () => sent.to);
}

/**
 * Throws what the filling failed with; once `onFirst` was called nothing can be said to the reader but to break off.
 * @param onFirst the first bytes are there
 */
export async function sendFilling(response: ServerResponse, filling: Filling, sent: Sent, onFirst: () => void): Promise<boolean> {
  filling.follow();
  try {
    const round = await firstRound(filling, sent.from);
    onFirst();
    return await send(response, filling.fd, sent, (offset) => filling.beyond(offset, round));
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

/** Some bytes of a file, at least one, in memory of their own. Throws what the disk throws. */
export async function readPart(fd: number, from: number, to: number): Promise<Uint8Array> {
  const buffer = Buffer.allocUnsafeSlow(Math.min(BUFFER_BYTES, to - from));
  const bytesRead = await readAt(fd, buffer, from);
  if (bytesRead === 0) throw new Error("the file is shorter than the chunk");
  return buffer.subarray(0, bytesRead);
}

/** @param beyond how far bytes may be read, once there are more than so many. */
async function send(
  response: ServerResponse,
  fd: number,
  { from, to, buffers, onBytes }: Sent,
  beyond: (offset: number) => Promise<number>,
): Promise<boolean> {
  response.setTimeout(STUCK_MS, () => response.destroy());
  for (let at = from; at < to; ) {
    const reachable = Math.min(to, await beyond(at));
    if (response.destroyed) return false;
    const buffer = await buffers.take();
    const bytesRead = await readAt(fd, buffer.subarray(0, Math.min(BUFFER_BYTES, reachable - at)), at).catch((error: unknown) => {
      buffers.give(buffer);
      throw error;
    });
    if (bytesRead === 0) {
      buffers.give(buffer);
      throw new Error("the file is shorter than the chunk");
    }
    const isTaken = await written(response, buffer.subarray(0, bytesRead));
    buffers.give(buffer);
    if (!isTaken) return false;
    onBytes(bytesRead);
    at += bytesRead;
  }
  return true;
}

/** Resolves when the buffer is ours again; false: the reader is gone. */
function written(response: ServerResponse, bytes: Buffer): Promise<boolean> {
  return new Promise((resolve) => {
    if (response.destroyed) return resolve(false);
    const onClose = () => resolve(false);
    response.once("close", onClose);
    response.write(bytes, (error) => {
      response.removeListener("close", onClose);
      resolve(error === null || error === undefined);
    });
  });
}
