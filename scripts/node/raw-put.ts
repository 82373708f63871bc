/** One PUT on one connection: reads the next piece of the body while the last one leaves. */
import type { StoreAnswer } from "../../shared/transfer/ports.ts";
import { KiB } from "../../shared/units.ts";
import type { Head } from "./http-head.ts";
import type { RawConnection } from "./raw-connection.ts";
import type { Answer, Unheard } from "./raw-incoming.ts";
import { Refusal } from "./raw-refusal.ts";
import type { BodyReader, TransportOptions } from "./transport.ts";

export const PIECE_BYTES = 256 * KiB;
/** One is read while one is on its way, and one waits, so that the socket never runs dry. */
const PIECES = 3;
/** A body of at most this goes into one packet with its head. */
const TOGETHER_BYTES_MAX = 64 * KiB;

/** Buffers of `PIECE_BYTES` that wait for their next use. */
export type FreePieces = Buffer[];

export type RawPutting = { head: string; sizeBytes: number; read: BodyReader; pieces: FreePieces; options: TransportOptions };

/** Settles when nothing of the request is on its way any more. */
export async function rawPut(connection: RawConnection, putting: RawPutting): Promise<StoreAnswer | Unheard> {
  const { head, sizeBytes, read, options } = putting;
  const { signal, onBytes } = options;
  const hearing = new Hearing();
  const stop = () => {
    connection.destroy();
    hearing.fail(signal.reason);
  };
  signal.addEventListener("abort", stop, { once: true });
  try {
    signal.throwIfAborted();
    if (sizeBytes <= TOGETHER_BYTES_MAX) {
      const body = Buffer.allocUnsafe(sizeBytes);
      await read(body);
      connection.ask(head, hearing, body);
      onBytes(sizeBytes);
    } else {
      connection.ask(head, hearing);
      await new Sending(connection, putting, hearing).run();
    }
    const answer = await hearing.answer;
    // What was not sent of the body would be taken for the next request.
    if (!hearing.isSent) connection.destroy();
    return answer;
  } catch (error) {
    connection.destroy();
    throw error;
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

class Hearing implements Answer {
  /** All of the body has left. */
  isSent = true;
  isSettled = false;
  readonly answer: Promise<StoreAnswer | Unheard>;
  fail: (reason: unknown) => void = () => {};
  #settle: (answer: StoreAnswer | Unheard) => void = () => {};
  #refusal: Refusal | null = null;

  constructor() {
    this.answer = new Promise((resolve, reject) => {
      this.#settle = resolve;
      this.fail = reject;
    });
    const settled = () => {
      this.isSettled = true;
    };
    this.answer.then(settled, settled);
  }

  readonly begun = (head: Head): void => {
    this.#refusal = new Refusal(head);
  };

  readonly body = (bytes: Buffer): null => {
    if (this.#refusal?.isTooLong(bytes)) this.ended();
    return null;
  };

  readonly ended = (): void => {
    if (this.#refusal !== null) this.#settle(this.#refusal.answer());
  };

  readonly broken = (problem: string, unheard: boolean): void => {
    const none = unheard ? ({ kind: "unheard", problem } as const) : ({ kind: "broken", problem } as const);
    this.#settle(this.#refusal?.answer() ?? none);
  };
}

class Sending {
  readonly #connection: RawConnection;
  readonly #putting: RawPutting;
  readonly #hearing: Hearing;
  #onTheirWay = 0;
  #wake: () => void = () => {};

  constructor(connection: RawConnection, putting: RawPutting, hearing: Hearing) {
    this.#connection = connection;
    this.#putting = putting;
    this.#hearing = hearing;
    const wake = () => this.#wake();
    hearing.answer.then(wake, wake);
  }

  /** Sends the body; ends early when the answer is there before. */
  async run(): Promise<void> {
    const { sizeBytes, read } = this.#putting;
    let sent = 0;
    this.#hearing.isSent = false;
    while (sent < sizeBytes && !this.#hearing.isSettled) {
      const piece = this.#putting.pieces.pop() ?? Buffer.allocUnsafeSlow(PIECE_BYTES);
      const bytes = piece.subarray(0, Math.min(PIECE_BYTES, sizeBytes - sent));
      try {
        await read(bytes);
      } catch (error) {
        this.#putting.pieces.push(piece);
        throw error;
      }
      this.#write(piece, bytes);
      sent += bytes.length;
      while (this.#onTheirWay >= PIECES - 1 && !this.#hearing.isSettled) await this.#change();
    }
    while (this.#onTheirWay > 0 && !this.#hearing.isSettled) await this.#change();
    this.#hearing.isSent = sent === sizeBytes && this.#onTheirWay === 0;
  }

  #write(piece: Buffer, bytes: Buffer): void {
    this.#onTheirWay++;
    this.#connection.write(bytes, (error) => {
      this.#onTheirWay--;
      this.#putting.pieces.push(piece);
      if (!error) this.#putting.options.onBytes(bytes.length);
      this.#wake();
    });
  }

  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}
