/** How long a request's body is: by its length, or in chunks (HTTP's own, and S3's `aws-chunked`, whose framing is the same inside). */

export type Take = (bytes: Buffer) => void;

export interface Framing {
  /** The whole body was fed. */
  readonly done: boolean;
  /** Hands content on to `take`, and returns how many bytes belonged to the body. */
  feed(bytes: Buffer, take: Take): number;
}

export class LengthFraming implements Framing {
  #leftBytes: number;

  constructor(sizeBytes: number) {
    this.#leftBytes = sizeBytes;
  }

  get done(): boolean {
    return this.#leftBytes === 0;
  }

  feed(bytes: Buffer, take: Take): number {
    const length = Math.min(bytes.length, this.#leftBytes);
    this.#leftBytes -= length;
    if (length > 0) take(length === bytes.length ? bytes : bytes.subarray(0, length));
    return length;
  }
}

const LF = 10;
const LINE_BYTES_MAX = 16 * 1024;

/** `<hex>[;extension]CRLF data CRLF … 0[;extension]CRLF [trailer CRLF …] CRLF`. Signatures and trailers are read over. */
export class ChunkedFraming implements Framing {
  #state: "size" | "data" | "data end" | "trailer" | "done" = "size";
  #line = "";
  #leftBytes = 0;

  get done(): boolean {
    return this.#state === "done";
  }

  feed(bytes: Buffer, take: Take): number {
    let at = 0;
    while (at < bytes.length && this.#state !== "done") {
      at += this.#state === "data" ? this.#feedData(bytes.subarray(at), take) : this.#feedLine(bytes.subarray(at));
    }
    return at;
  }

  #feedData(bytes: Buffer, take: Take): number {
    const length = Math.min(bytes.length, this.#leftBytes);
    take(bytes.subarray(0, length));
    this.#leftBytes -= length;
    if (this.#leftBytes === 0) this.#state = "data end";
    return length;
  }

  #feedLine(bytes: Buffer): number {
    const end = bytes.indexOf(LF);
    const length = end < 0 ? bytes.length : end + 1;
    this.#line += bytes.toString("latin1", 0, length);
    if (this.#line.length > LINE_BYTES_MAX) throw new RangeError("a line between chunks is too long");
    if (end >= 0) {
      this.#onLine(this.#line.trimEnd());
      this.#line = "";
    }
    return length;
  }

  #onLine(line: string): void {
    if (this.#state === "data end") this.#state = "size";
    else if (this.#state === "trailer") this.#state = line === "" ? "done" : "trailer";
    else {
      const [, hex] = /^([0-9a-fA-F]{1,8})(;|$)/.exec(line) ?? [];
      if (hex === undefined) throw new RangeError("not the size of a chunk");
      this.#leftBytes = Number.parseInt(hex, 16);
      this.#state = this.#leftBytes === 0 ? "trailer" : "data";
    }
  }
}

/** The framing that a head announces; null when there is no body. */
export function framingOf(headers: ReadonlyMap<string, string>): Framing | null {
  if (/\bchunked\b/i.test(headers.get("transfer-encoding") ?? "")) return new ChunkedFraming();
  const length = Number(headers.get("content-length") ?? 0);
  if (!Number.isSafeInteger(length) || length < 0) throw new RangeError("not a length");
  return length === 0 ? null : new LengthFraming(length);
}

/** S3's chunks within the body: what the SDKs send when they sign or sum up a stream as it goes. */
export function isAwsChunked(headers: ReadonlyMap<string, string>): boolean {
  return (
    /\baws-chunked\b/.test(headers.get("content-encoding") ?? "") || (headers.get("x-amz-content-sha256") ?? "").startsWith("STREAMING-")
  );
}
