/** Sends an object's content: a buffer is read while another is on its way. */
import type { Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { MiB } from "../../../shared/units.ts";
import type { ContentReader } from "./content.ts";
import { type Fate, type Pace, waitMs } from "./faults.ts";

const BUFFER_BYTES = MiB;
/** Under a limited rate, so that bytes flow evenly. */
const PACED_BYTES = 64 * 1024;
const IN_FLIGHT = 2;

export type Sending = { fate: Fate | null; paces: readonly Pace[] };

/** Resolves when everything was written, or the client is gone. `reader` is closed then. */
export async function sendContent(socket: Socket, reader: ContentReader, { fate, paces }: Sending): Promise<void> {
  const buffers = new Buffers(socket);
  const stallAtByte = fate?.stallAtByte ?? Number.POSITIVE_INFINITY;
  const stepBytes = paces.length > 0 || Number.isFinite(stallAtByte) ? PACED_BYTES : BUFFER_BYTES;
  try {
    for (let sentBytes = 0; ; ) {
      const length = await sendPiece(socket, reader, buffers, stepBytes);
      if (length === 0) return;
      const isStalled = sentBytes <= stallAtByte && stallAtByte < sentBytes + length;
      sentBytes += length;
      const pauseMs = waitMs(paces, length) + (isStalled ? (fate?.stallMs ?? 0) : 0);
      if (pauseMs >= 1) await sleep(pauseMs);
    }
  } finally {
    reader.close();
    await buffers.close();
  }
}

/** Writes the next bytes, and says how many; 0: there are no more, or nobody to send them to. */
async function sendPiece(socket: Socket, reader: ContentReader, buffers: Buffers, stepBytes: number): Promise<number> {
  const buffer = await buffers.take();
  if (buffer === null || socket.destroyed) return 0;
  const length = readInto(buffer.subarray(0, stepBytes), reader);
  if (length === null) socket.destroy();
  if (length === null || length === 0) {
    buffers.give(buffer);
    return 0;
  }
  socket.write(buffer.subarray(0, length), () => buffers.give(buffer));
  socket.uncork();
  return length;
}

/** Null when the content can't be read: all that can be done in the middle of an answer is to break it off. */
function readInto(target: Buffer, reader: ContentReader): number | null {
  try {
    return reader.read(target);
  } catch {
    return null;
  }
}

/** Buffers that no answer uses now. */
const idle: Buffer[] = [];

/** The buffers of one answer. */
class Buffers {
  readonly #socket: Socket;
  readonly #free: Buffer[] = [];
  #made = 0;
  #wake: () => void = () => {};
  readonly #onClose = () => this.#wake();

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.once("close", this.#onClose);
  }

  give(buffer: Buffer): void {
    this.#free.push(buffer);
    this.#wake();
  }

  /** Waits for one; null when the client is gone. */
  async take(): Promise<Buffer | null> {
    if (this.#free.length === 0 && this.#made < IN_FLIGHT) {
      this.#made++;
      return idle.pop() ?? Buffer.allocUnsafeSlow(BUFFER_BYTES);
    }
    await this.#until(() => this.#free.length > 0);
    return this.#free.pop() ?? null;
  }

  /** Hands the buffers back when nothing is on its way any more; those of a client that is gone are given up. */
  async close(): Promise<void> {
    await this.#until(() => this.#free.length === this.#made);
    this.#socket.removeListener("close", this.#onClose);
    idle.push(...this.#free);
  }

  async #until(isSo: () => boolean): Promise<void> {
    while (!isSo() && !this.#socket.destroyed) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}
