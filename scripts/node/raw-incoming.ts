/** The bytes that arrive on one connection, taken apart into heads and bodies of answers. */
import type { Socket } from "node:net";
import { KiB } from "../../shared/units.ts";
import { ChunkedReader } from "./http-chunked.ts";
import { type Framing, framingOf, type Head, HeadProblem, HeadReader, staysOpen } from "./http-head.ts";
import { problemText, type Reader } from "./raw-socket.ts";

/** Answers of status 1xx before the one that counts. */
const INTERIM_MAX = 8;
/** TLS hands out at most 16 KiB at a time; hashing and writing like larger pieces. */
const BATCH_BYTES = 256 * KiB;

/** Whoever waits for an answer. After `ended` or `broken` nothing more is told. What `begun` and `body` throw comes back as `broken`. */
export type Answer = {
  /** The longest piece of a body that is wanted. */
  pieceBytesMax?: number;
  begun: (head: Head, framing: Framing) => void;
  /** The bytes are the reader's again when this returns. Resolves: no more should come before. */
  body: (bytes: Buffer) => Promise<void> | null;
  ended: () => void;
  /** No whole answer came; `unheard`: not a byte of it. */
  broken: (problem: string, unheard: boolean) => void;
};

/** The connection ended without a byte of an answer. */
export type Unheard = { kind: "unheard"; problem: string };

type State = { at: "idle" } | { at: "head"; reader: HeadReader; interim: number } | Body;
type Body = { at: "body"; framing: Framing; leftBytes: number; chunked: ChunkedReader | null };

export class Incoming implements Reader {
  readonly #shared: Buffer | null;
  readonly #batch: Buffer;
  #batched = 0;
  #readBytesMax: number;
  #socket: Socket | null = null;
  #answer: Answer | null = null;
  #state: State = { at: "idle" };
  #unheard = true;
  #isUsable = true;

  /** @param shared a buffer that others read into as well, since no bytes stay in it; null: a buffer of its own, to gather small reads. */
  constructor(shared: Buffer | null) {
    this.#shared = shared;
    this.#batch = shared ?? Buffer.allocUnsafeSlow(BATCH_BYTES);
    this.#readBytesMax = this.#batch.length;
  }

  get isFree(): boolean {
    return this.#state.at === "idle" && this.#isUsable;
  }

  expect(socket: Socket, answer: Answer): void {
    this.#socket = socket;
    this.#answer = answer;
    this.#readBytesMax = answer.pieceBytesMax ?? this.#batch.length;
    this.#state = { at: "head", reader: new HeadReader(), interim: 0 };
    this.#unheard = true;
  }

  /** Nobody waits any more, and nobody will. */
  forget(): void {
    this.#answer = null;
    this.#isUsable = false;
  }

  readonly buffer = (): Buffer => this.#batch.subarray(this.#batched, this.#batched + this.#readBytesMax);

  readonly take = (count: number): void => {
    this.#batched += count;
    const state = this.#state;
    const mayGather = this.#shared === null && state.at === "body" && state.framing.kind === "length";
    if (!mayGather || this.#batched === this.#batch.length || this.#batched >= state.leftBytes) this.#flush();
  };

  /** The connection ended; `problem` is null when the other side did so properly. */
  end(problem: string | null): void {
    if (this.#answer === null) return;
    this.#flush();
    const state = this.#state;
    const isWhole = state.at === "body" && state.framing.kind === "close" && problem === null;
    if (isWhole) this.#finish();
    else this.#break(problem ?? (state.at === "body" ? "the answer ended too early" : "the connection was closed"));
  }

  #flush(): void {
    const bytes = this.#batch.subarray(0, this.#batched);
    this.#batched = 0;
    this.#push(bytes);
  }

  #push(bytes: Buffer): void {
    let rest = bytes;
    try {
      while (rest.length > 0 && this.#answer !== null) {
        this.#unheard = false;
        rest = rest.subarray(this.#state.at === "head" ? this.#pushHead(this.#state, rest) : this.#pushBody(rest));
      }
    } catch (error) {
      this.#break(error instanceof HeadProblem ? error.message : problemText(error));
    }
    // Bytes that nobody asked for: what follows them can't be trusted to be an answer.
    if (rest.length > 0) this.#shut();
  }

  #pushHead(state: State & { at: "head" }, bytes: Buffer): number {
    const whole = state.reader.push(bytes);
    if (whole === null) return bytes.length;
    const { head, used } = whole;
    if (head.status >= 200) this.#begin(head);
    else if (head.status === 101 || ++state.interim > INTERIM_MAX) throw new HeadProblem("the answer does not begin");
    return used;
  }

  #begin(head: Head): void {
    const framing = framingOf(head);
    this.#isUsable = staysOpen(head) && framing.kind !== "close";
    const chunked = framing.kind === "chunked" ? new ChunkedReader((piece) => this.#give(piece)) : null;
    const leftBytes = framing.kind === "length" ? framing.bytes : framing.kind === "none" ? 0 : Number.POSITIVE_INFINITY;
    this.#state = { at: "body", framing, leftBytes, chunked };
    this.#answer?.begun(head, framing);
    if (leftBytes === 0) this.#finish();
  }

  #pushBody(bytes: Buffer): number {
    const state = this.#state as Body;
    if (state.chunked !== null) return this.#pushChunked(state.chunked, bytes);
    const piece = bytes.length > state.leftBytes ? bytes.subarray(0, state.leftBytes) : bytes;
    state.leftBytes -= piece.length;
    this.#give(piece);
    if (state.leftBytes === 0) this.#finish();
    return piece.length;
  }

  #pushChunked(chunked: ChunkedReader, bytes: Buffer): number {
    const used = chunked.push(bytes);
    if (used === null) throw new HeadProblem("the answer is not chunked as it says");
    if (chunked.isDone) this.#finish();
    return used;
  }

  #give(bytes: Buffer): void {
    const waiting = this.#answer?.body(bytes) ?? null;
    const socket = this.#socket;
    if (waiting === null || socket === null) return;
    socket.pause();
    void waiting.then(() => socket.resume());
  }

  #finish(): void {
    const answer = this.#answer;
    this.#answer = null;
    this.#state = { at: "idle" };
    answer?.ended();
  }

  #break(problem: string): void {
    const answer = this.#answer;
    this.#shut();
    answer?.broken(problem, this.#unheard);
  }

  #shut(): void {
    this.forget();
    this.#socket?.destroy();
  }
}
