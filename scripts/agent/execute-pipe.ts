/** Bytes from one request's answer into another request's body, through one buffer that serves many pipes, one after another. */
import { MiB } from "../../shared/units.ts";
import type { BodySink } from "../node/transport.ts";

export const PIPE_BYTES = 4 * MiB;
/** With less room the writer waits; what it still has on its way is a few pieces. */
const ROOM_BYTES_MIN = PIPE_BYTES / 2;

export class Pipe implements BodySink {
  readonly pieceBytesMax = PIPE_BYTES / 8;
  readonly #ring: Buffer;
  readonly #pace: (bytes: number) => Promise<void> | null;
  /** Counted from the beginning, never set back. */
  #written = 0;
  #taken = 0;
  #failure: Error | null = null;
  #wakeReader: (() => void) | null = null;
  #wakeWriter: (() => void) | null = null;

  /** @param ring of PIPE_BYTES, in nobody else's hands. @param pace how long to wait after so many bytes. */
  constructor(ring: Buffer, pace: (bytes: number) => Promise<void> | null = () => null) {
    this.#ring = ring;
    this.#pace = pace;
  }

  restart(): void {
    throw new Error("the source begins again");
  }

  write(bytes: Uint8Array): Promise<void> | null {
    if (this.#failure !== null) throw this.#failure;
    if (bytes.length > this.#room) throw new Error("the source sends more than was asked for");
    const at = this.#written % PIPE_BYTES;
    const whole = Math.min(bytes.length, PIPE_BYTES - at);
    this.#ring.set(bytes.subarray(0, whole), at);
    if (whole < bytes.length) this.#ring.set(bytes.subarray(whole), 0);
    this.#written += bytes.length;
    this.#wakeReader?.();
    const paced = this.#pace(bytes.length);
    if (this.#room >= ROOM_BYTES_MIN) return paced;
    const taken = new Promise<void>((wake) => {
      this.#wakeWriter = wake;
    });
    return paced === null ? taken : paced.then(() => taken);
  }

  /** Fills the whole buffer. Throws what the writer's side failed with. */
  readonly read = async (buffer: Uint8Array): Promise<void> => {
    for (let filled = 0; filled < buffer.length; ) {
      if (this.#failure !== null) throw this.#failure;
      const at = this.#taken % PIPE_BYTES;
      const bytes = Math.min(this.#written - this.#taken, buffer.length - filled, PIPE_BYTES - at);
      if (bytes === 0) {
        await new Promise<void>((wake) => {
          this.#wakeReader = wake;
        });
        continue;
      }
      buffer.set(this.#ring.subarray(at, at + bytes), filled);
      filled += bytes;
      this.#taken += bytes;
      if (this.#room >= ROOM_BYTES_MIN) this.#letWriterGoOn();
    }
  };

  /** Either side gave up; the other learns of it with its next step. */
  fail(error: Error): void {
    this.#failure ??= error;
    this.#wakeReader?.();
    this.#letWriterGoOn();
  }

  get #room(): number {
    return PIPE_BYTES - (this.#written - this.#taken);
  }

  #letWriterGoOn(): void {
    this.#wakeWriter?.();
    this.#wakeWriter = null;
  }
}
