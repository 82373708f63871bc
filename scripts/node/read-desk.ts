/**
 * One task after another reads files of this disk, by one buffer. Side by side they would only take turns, and the bytes of each would have
 * left the processor's cache when it is their turn to be hashed: sixteen copies at once took twice the processor time of one after another.
 */
import { KiB } from "../../shared/units.ts";

/** Half of a small second-level cache: what was read into it is still there when it is hashed, and written from. */
const READ_BYTES = 256 * KiB;

export class ReadDesk {
  #buffer: Buffer | null = null;
  #last: Promise<unknown> = Promise.resolve();

  /** Runs the work when it is its turn; the buffer is its own until then. Rejects as the work does. */
  use<R>(work: (buffer: Buffer) => Promise<R>): Promise<R> {
    const done = this.#last.then(() => {
      this.#buffer ??= Buffer.allocUnsafeSlow(READ_BYTES);
      return work(this.#buffer);
    });
    this.#last = done.catch(() => {});
    return done;
  }
}
