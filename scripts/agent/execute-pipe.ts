/** Bytes from one request's answer into another request's body, with little in between. */
import type { BodySink } from "../node/transport.ts";

export class Pipe implements BodySink {
  readonly #bytesMax: number;
  #pieces: Buffer[] = [];
  #held = 0;
  #failure: Error | null = null;
  #wakeReader: (() => void) | null = null;
  #wakeWriter: (() => void) | null = null;

  /** @param bytesMax above this the writer waits. */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  restart(): void {
    throw new Error("the source begins again");
  }

  write(bytes: Uint8Array): Promise<void> | null {
    if (this.#failure !== null) throw this.#failure;
    this.#pieces.push(Buffer.from(bytes));
    this.#held += bytes.length;
    this.#wakeReader?.();
    if (this.#held < this.#bytesMax) return null;
    return new Promise((wake) => {
      this.#wakeWriter = wake;
    });
  }

  /** Fills the whole buffer. Throws what the writer's side failed with. */
  readonly read = async (buffer: Uint8Array): Promise<void> => {
    for (let filled = 0; filled < buffer.length; ) {
      if (this.#failure !== null) throw this.#failure;
      const [piece] = this.#pieces;
      if (piece === undefined) {
        await new Promise<void>((wake) => {
          this.#wakeReader = wake;
        });
        continue;
      }
      const bytes = Math.min(piece.length, buffer.length - filled);
      buffer.set(piece.subarray(0, bytes), filled);
      filled += bytes;
      this.#take(piece, bytes);
    }
  };

  /** Either side gave up; the other learns of it with its next step. */
  fail(error: Error): void {
    this.#failure ??= error;
    this.#wakeReader?.();
    this.#wakeWriter?.();
  }

  #take(piece: Buffer, bytes: number): void {
    if (bytes === piece.length) this.#pieces.shift();
    else this.#pieces[0] = piece.subarray(bytes);
    this.#held -= bytes;
    if (this.#held >= this.#bytesMax / 2) return;
    this.#wakeWriter?.();
    this.#wakeWriter = null;
  }
}
