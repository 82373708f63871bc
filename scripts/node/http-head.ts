/**
 * Heads of HTTP/1.1 answers, read strictly (RFC 9112): what two readers could understand differently is refused, because behind it lies
 * the question where a body ends. Stores send few and short headers, so the limits are small.
 */
import { KiB } from "../../shared/units.ts";

const HEAD_BYTES_MAX = 32 * KiB;
const HEADERS_MAX = 128;
const STATUS_LINE = /^HTTP\/1\.([01]) ([1-9][0-9]{2})(?: [\t\x20-\x7e\x80-\xff]*)?$/;
const HEADER_LINE = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[\t ]*([\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?[\t ]*$/;
const END = Buffer.from("\r\n\r\n");

/** Header names are lower case; equal names are joined by ", ". */
export type Head = { status: number; minorVersion: number; headers: ReadonlyMap<string, string> };

/** Where the body of an answer ends. `none`: there is no body. `close`: where the connection ends. */
export type Framing = { kind: "none" } | { kind: "length"; bytes: number } | { kind: "chunked" } | { kind: "close" };

/** The bytes are no answer that could be relied on. */
export class HeadProblem extends Error {}

/** Gathers one head from pieces of any size. */
export class HeadReader {
  #held: Buffer = Buffer.alloc(0);

  /** Whether bytes came that are no whole head yet. */
  get hasBegun(): boolean {
    return this.#held.length > 0;
  }

  /** The head, and how many of these bytes belonged to it; null while there is more to come. Throws HeadProblem. */
  push(bytes: Buffer): { head: Head; used: number } | null {
    const heldBytes = this.#held.length;
    const all = heldBytes === 0 ? bytes : Buffer.concat([this.#held, bytes.subarray(0, HEAD_BYTES_MAX)]);
    const end = all.indexOf(END, Math.max(0, heldBytes - END.length + 1));
    if (end < 0 ? all.length >= HEAD_BYTES_MAX : end > HEAD_BYTES_MAX) throw new HeadProblem("the head of the answer is too long");
    if (end < 0) {
      // A copy: the bytes lie in a buffer that is read into again.
      this.#held = Buffer.from(all);
      return null;
    }
    this.#held = Buffer.alloc(0);
    return { head: parseHead(all.toString("latin1", 0, end)), used: end + END.length - heldBytes };
  }
}

/** @param text without the empty line at its end; one character a byte. Throws HeadProblem. */
export function parseHead(text: string): Head {
  const [statusLine = "", ...lines] = text.split("\r\n");
  const [, minor, status] = STATUS_LINE.exec(statusLine) ?? [];
  if (minor === undefined || status === undefined) throw new HeadProblem("the answer is not HTTP/1.1");
  if (lines.length > HEADERS_MAX) throw new HeadProblem("the answer has too many headers");
  const headers = new Map<string, string>();
  for (const line of lines) {
    const [, name, value = ""] = HEADER_LINE.exec(line) ?? [];
    if (name === undefined) throw new HeadProblem("a header of the answer is malformed");
    const key = name.toLowerCase();
    const other = headers.get(key);
    headers.set(key, other === undefined ? value : `${other}, ${value}`);
  }
  return { status: Number(status), minorVersion: Number(minor), headers };
}

/** Of the answer to a GET or a PUT. Throws HeadProblem when it can't be told for sure. */
export function framingOf({ status, minorVersion, headers }: Head): Framing {
  const coding = headers.get("transfer-encoding");
  const length = headers.get("content-length");
  if (coding !== undefined && length !== undefined) throw new HeadProblem("the answer has two lengths");
  if (status === 204 || status === 304) return { kind: "none" };
  if (coding !== undefined) {
    if (coding.toLowerCase() !== "chunked" || minorVersion === 0) throw new HeadProblem("the answer has an unknown transfer coding");
    return { kind: "chunked" };
  }
  if (length === undefined) return { kind: "close" };
  // One number in digits: "+5", "5, 5" and "0x5" have been read in two ways before.
  if (!/^[0-9]{1,15}$/.test(length)) throw new HeadProblem("the answer's length is no number");
  return { kind: "length", bytes: Number(length) };
}

/** Whether another request may follow on the same connection. */
export function staysOpen({ minorVersion, headers }: Head): boolean {
  const options = (headers.get("connection") ?? "")
    .toLowerCase()
    .split(",")
    .map((option) => option.trim());
  return minorVersion === 1 ? !options.includes("close") : options.includes("keep-alive");
}
