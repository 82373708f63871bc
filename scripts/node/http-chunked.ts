/** The chunked coding of HTTP/1.1 (RFC 9112 §7.1), for the short bodies of refusals. Chunks of a model never come this way here. */

/** A size line, with extensions, or the trailer: longer ones are no store's. */
const LINE_BYTES_MAX = 1024;
const SIZE_LINE = /^([0-9a-fA-F]{1,8})[\t ]*(?:;.*)?$/;

type State = "size" | "data" | "data-end" | "trailer" | "done";

export class ChunkedReader {
  #state: State = "size";
  #line = "";
  #leftBytes = 0;
  readonly #take: (bytes: Buffer) => void;

  /** @param take told of each piece of the body; it lies in the caller's buffer. */
  constructor(take: (bytes: Buffer) => void) {
    this.#take = take;
  }

  get isDone(): boolean {
    return this.#state === "done";
  }

  /** How many of these bytes belonged to the body; all of them while it is not done. Null when they are no chunked body. */
  push(bytes: Buffer): number | null {
    let at = 0;
    while (at < bytes.length && this.#state !== "done") {
      const used = this.#state === "data" ? this.#data(bytes.subarray(at)) : this.#text(bytes[at] ?? 0);
      if (used === null) return null;
      at += used;
    }
    return at;
  }

  #data(bytes: Buffer): number {
    const piece = bytes.subarray(0, this.#leftBytes);
    this.#leftBytes -= piece.length;
    this.#take(piece);
    if (this.#leftBytes === 0) this.#state = "data-end";
    return piece.length;
  }

  /** One byte of a line. */
  #text(byte: number): number | null {
    this.#line += String.fromCharCode(byte);
    if (this.#line.length > LINE_BYTES_MAX) return null;
    if (byte !== 0x0a) return 1;
    if (!this.#line.endsWith("\r\n")) return null;
    const line = this.#line.slice(0, -2);
    this.#line = "";
    return this.#endLine(line) ? 1 : null;
  }

  #endLine(line: string): boolean {
    if (this.#state === "trailer") {
      if (line === "") this.#state = "done";
      return true;
    }
    if (this.#state === "data-end") {
      this.#state = "size";
      return line === "";
    }
    const [, size] = SIZE_LINE.exec(line) ?? [];
    if (size === undefined) return false;
    this.#leftBytes = Number.parseInt(size, 16);
    this.#state = this.#leftBytes === 0 ? "trailer" : "data";
    return true;
  }
}
