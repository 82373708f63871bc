/**
 * Chunks for doors when the cache has no room for them: whole in memory, seen to be right, and gone when they were read. One at a time, so
 * that the agent stays small; whoever reads nothing for a while makes place for the next.
 */
import { createHash } from "node:crypto";
import { FerryError } from "../../shared/errors.ts";
import type { Transport } from "../node/transport.ts";
import { Gate } from "./gate.ts";
import type { Origin, Wanted } from "./origin.ts";

const TRIES = 3;
const IDLE_MS = 20_000;

export type UncachedParts = { origin: Pick<Origin, "url">; transport: Pick<Transport, "get"> };

export class Uncached {
  readonly #parts: UncachedParts;
  readonly #gate = new Gate(1);

  constructor(parts: UncachedParts) {
    this.#parts = parts;
  }

  /** Bytes of a chunk in parts. Throws TRANSFER_FAILED, what the API answers, and the signal's reason. */
  async *read(wanted: Wanted, { offset, length }: { offset: number; length: number }, partBytes: number, signal: AbortSignal) {
    const held = await this.#hold(wanted, signal);
    try {
      for (let at = offset; at < offset + length; ) {
        signal.throwIfAborted();
        const part = held.part(at, Math.min(offset + length, at + partBytes));
        at += part.length;
        yield part;
      }
    } finally {
      held.release();
    }
  }

  /** Resolves when the chunk is in memory; then nobody else's is until it is released. */
  #hold(wanted: Wanted, signal: AbortSignal): Promise<Held> {
    return new Promise((resolve, reject) => {
      const turn = this.#gate.pass("live", async () => {
        signal.throwIfAborted();
        const over = Promise.withResolvers<void>();
        const held = new Held(wanted, await this.#bring(wanted, signal), over.resolve);
        resolve(held);
        await over.promise;
      });
      turn.catch(reject);
    });
  }

  async #bring(wanted: Wanted, signal: AbortSignal): Promise<Buffer> {
    const { origin, transport } = this.#parts;
    let problem = "its bytes do not have its digest";
    for (let attempt = 0; attempt < TRIES; attempt++) {
      const bytes = Buffer.allocUnsafeSlow(wanted.size);
      let at = 0;
      const sink = {
        restart: () => {
          at = 0;
        },
        write: (piece: Uint8Array) => {
          if (at + piece.length > bytes.length)
            throw new FerryError("SIZE_INVALID", { what: "a chunk", expected: bytes.length, actual: at });
          bytes.set(piece, at);
          at += piece.length;
          return null;
        },
      };
      const request = { url: await origin.url(wanted), offset: 0, end: wanted.size, sizeBytes: wanted.size };
      const answer = await transport.get(request, sink, { signal, onBytes: () => {} });
      if (answer.kind === "answered") problem = `the store answered ${answer.status} ${answer.code}`;
      else if (answer.kind === "broken") problem = answer.problem;
      else if (createHash("sha256").update(bytes).digest("hex") === wanted.sha256) return bytes;
    }
    throw new FerryError("TRANSFER_FAILED", { what: `chunk ${wanted.sha256}`, problem });
  }
}

class Held {
  readonly #wanted: Wanted;
  #bytes: Buffer | null;
  readonly #over: () => void;
  readonly #timer: NodeJS.Timeout;

  constructor(wanted: Wanted, bytes: Buffer, over: () => void) {
    this.#wanted = wanted;
    this.#bytes = bytes;
    this.#over = over;
    this.#timer = setTimeout(() => this.release(), IDLE_MS);
    this.#timer.unref();
  }

  /** Memory of its own: it may outlive the chunk's. Throws TRANSFER_FAILED when whoever reads it has waited for too long. */
  part(from: number, to: number): Uint8Array {
    if (this.#bytes === null) {
      throw new FerryError("TRANSFER_FAILED", { what: `chunk ${this.#wanted.sha256}`, problem: "it was read too slowly" });
    }
    this.#timer.refresh();
    return new Uint8Array(this.#bytes.subarray(from, to));
  }

  release(): void {
    clearTimeout(this.#timer);
    this.#bytes = null;
    this.#over();
  }
}
