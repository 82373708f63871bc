/**
 * Takes bodies of the form aws-chunked apart:
 *
 *   <size in hex>[;chunk-signature=<64 hex>]\r\n <bytes> \r\n … 0[;chunk-signature=…]\r\n [name:value\r\n …] [x-amz-trailer-signature:…\r\n] \r\n
 *
 * Bytes are given on as they come. Whether a chunk is the signed one is known at its end; until then nobody may count on what it brought.
 */
import { S3Refusal } from "./refusals.ts";
import { type ChunkChain, chunkSignature, type S3Crypto } from "./signature.ts";

const LINE_BYTES_MAX = 4096;
const LINE_FEED = 10;
const TRAILER_LINES_MAX = 16;

export type RunningHash = { update(bytes: Uint8Array): void; hex(): string };

export type ChunkedForm = {
  /** Null: chunks are not signed. */
  chain: ChunkChain | null;
  hasTrailer: boolean;
  crypto: S3Crypto;
  startHash: () => RunningHash;
};

export class ChunkedBody {
  readonly trailer: Record<string, string> = {};
  readonly #form: ChunkedForm;
  #state: "size" | "bytes" | "gap" | "trailer" | "end" = "size";
  #line = "";
  #leftBytes = 0;
  #hash: RunningHash | null = null;
  #claimed = "";
  #previous: string;
  #trailerLines = 0;
  #trailerText = "";

  constructor(form: ChunkedForm) {
    this.#form = form;
    this.#previous = form.chain?.seed ?? "";
  }

  /** The bytes of the body in this part of the stream. Throws S3Refusal. */
  *feed(bytes: Uint8Array): Generator<Uint8Array> {
    for (let at = 0; at < bytes.length; ) {
      if (this.#state !== "bytes") {
        at = this.#takeLine(bytes, at);
        continue;
      }
      const taken = bytes.subarray(at, at + Math.min(this.#leftBytes, bytes.length - at));
      at += taken.length;
      this.#leftBytes -= taken.length;
      this.#hash?.update(taken);
      yield taken;
      if (this.#leftBytes === 0) this.#endChunk("gap");
    }
  }

  /** Returns where the line ends, or the bytes do. */
  #takeLine(bytes: Uint8Array, at: number): number {
    const end = bytes.indexOf(LINE_FEED, at);
    const stop = end < 0 ? bytes.length : end + 1;
    this.#line += latin1(bytes.subarray(at, stop));
    if (this.#line.length > LINE_BYTES_MAX) throw broken("a line is too long");
    if (end >= 0) this.#endLine();
    return stop;
  }

  /** The stream is over. Throws unless the body is. */
  end(): void {
    // Some clients leave out the last, empty line.
    if (this.#state === "trailer" && this.#line === "") this.#endTrailer();
    if (this.#state !== "end") throw new S3Refusal("IncompleteBody", "the body ends before its last chunk");
  }

  #endLine(): void {
    const line = this.#line.replace(/\r?\n$/, "");
    this.#line = "";
    if (this.#state === "size") this.#begin(line);
    else if (this.#state === "trailer" && line !== "") this.#addTrailer(line);
    else if (this.#state === "trailer") this.#endTrailer();
    else if (line !== "") throw broken("a chunk is longer than it says");
    else if (this.#state === "gap") this.#state = "size";
  }

  #begin(line: string): void {
    const [, size = "", signature = ""] = /^([0-9a-fA-F]{1,12})(?:;chunk-signature=([0-9a-f]{64}))?$/.exec(line) ?? [];
    if (size === "") throw broken("a chunk has no size");
    this.#claimed = signature;
    this.#leftBytes = Number.parseInt(size, 16);
    this.#hash = this.#form.chain === null ? null : this.#form.startHash();
    this.#state = "bytes";
    if (this.#leftBytes === 0) this.#endChunk("trailer");
  }

  #endChunk(next: "gap" | "trailer"): void {
    this.#demand("chunk", this.#hash?.hex() ?? "", this.#claimed);
    this.#state = next;
  }

  #addTrailer(line: string): void {
    if (++this.#trailerLines > TRAILER_LINES_MAX) throw broken("the trailer is too long");
    const at = line.indexOf(":");
    const [name, value] = [line.slice(0, Math.max(0, at)).trim().toLowerCase(), line.slice(at + 1).trim()];
    if (name === "") throw broken("a line of the trailer has no name");
    this.trailer[name] = value;
    if (name !== "x-amz-trailer-signature") this.#trailerText += `${name}:${value}\n`;
  }

  #endTrailer(): void {
    if (this.#trailerText !== "" && !this.#form.hasTrailer) throw broken("it has a trailer that was not announced");
    if (this.#form.hasTrailer && this.#form.chain !== null) {
      const digest = this.#form.crypto.sha256Hex(this.#trailerText);
      this.#demand("trailer", digest, this.trailer["x-amz-trailer-signature"] ?? "");
    }
    this.#state = "end";
  }

  #demand(of: "chunk" | "trailer", digest: string, claimed: string): void {
    const { chain, crypto } = this.#form;
    if (chain === null) return;
    const expected = chunkSignature(chain, this.#previous, { of, digest }, crypto);
    if (!crypto.isEqual(expected, claimed)) throw new S3Refusal("SignatureDoesNotMatch", `the signature of a ${of} is not right`);
    this.#previous = expected;
  }
}

function latin1(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}

function broken(problem: string): S3Refusal {
  return new S3Refusal("InvalidRequest", `the body is not aws-chunked: ${problem}`);
}
