/**
 * RESP2, Redis's wire protocol: commands out, replies in. Strict: anything that RESP2 does not allow is a ProtocolError, after which
 * the connection can't be trusted any more. Source of the grammar: https://redis.io/docs/latest/develop/reference/protocol-spec/
 */

/** One command: its name and arguments. Strings are sent as UTF-8. */
export type Command = readonly string[];

/** A simple string, such as `OK` or `QUEUED`; bulk strings are bytes. */
export class Status {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

/** An error that Redis answered, such as `WRONGTYPE Operation against a key…`. */
export class ReplyError {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

/** What Redis answered. Integers beyond 2^53 are bigint, so that no digit is lost. */
export type Reply = Buffer | Status | ReplyError | number | bigint | null | Reply[];

export class ProtocolError extends Error {
  constructor(problem: string) {
    super(`the answer is not RESP2: ${problem}`);
    this.name = "ProtocolError";
  }
}

/** Redis's own bound of one bulk string (proto-max-bulk-len). */
const BULK_MAX_BYTES = 512 * 1024 * 1024;
const ARRAY_MAX_ITEMS = 2 ** 31 - 1;
const LINE_MAX_BYTES = 64 * 1024;
const DEPTH_MAX = 64;
const CR = 13;
const LF = 10;
const EMPTY = Buffer.alloc(0);

/** The bytes of `commands`, one after another, to be written in one go. */
export function encodeCommands(commands: readonly Command[]): Buffer {
  let text = "";
  for (const command of commands) {
    text += `*${command.length}\r\n`;
    for (const argument of command) text += `$${Buffer.byteLength(argument)}\r\n${argument}\r\n`;
  }
  return Buffer.from(text);
}

/** Cuts a stream of bytes into replies, wherever the network cut the bytes. Work is linear in the bytes. */
export class ReplyParser {
  #buffer: Buffer = EMPTY;
  #offset = 0;
  /** Arrived, not yet joined to the buffer: a big bulk string is joined once, when it is complete. */
  #arrived: Buffer[] = [];
  #arrivedBytes = 0;
  #neededBytes = 0;
  /** Arrays whose items are still arriving, the innermost last. */
  #open: { items: Reply[]; left: number }[] = [];

  /** The replies that `bytes` complete, in order. Throws ProtocolError. */
  push(bytes: Buffer): Reply[] {
    this.#arrived.push(bytes);
    this.#arrivedBytes += bytes.length;
    if (this.#arrivedBytes < this.#neededBytes) return [];
    this.#join();
    const replies: Reply[] = [];
    for (let value = this.#next(); value !== undefined; value = this.#next()) {
      const complete = this.#place(value);
      if (complete !== undefined) replies.push(complete);
    }
    return replies;
  }

  #join(): void {
    const rest = this.#buffer.subarray(this.#offset);
    this.#buffer = Buffer.concat([rest, ...this.#arrived]);
    this.#offset = 0;
    this.#arrived = [];
    this.#arrivedBytes = 0;
    this.#neededBytes = 0;
  }

  /** Puts a value where it belongs; the whole reply when it was the last piece of one. */
  #place(value: Reply): Reply | undefined {
    let complete = value;
    for (let array = this.#open.at(-1); array !== undefined; array = this.#open.at(-1)) {
      array.items.push(complete);
      array.left -= 1;
      if (array.left > 0) return undefined;
      complete = array.items;
      this.#open.pop();
    }
    return complete;
  }

  /** The next scalar or empty array; undefined when its bytes have not all arrived. */
  #next(): Reply | undefined {
    for (;;) {
      const start = this.#offset;
      const line = this.#line();
      if (line === undefined) return undefined;
      const type = line[0];
      if (type === "$") {
        const bulk = this.#bulk(line, start);
        return bulk;
      }
      if (type !== "*") return scalar(line);
      const length = lengthOf(line, ARRAY_MAX_ITEMS);
      if (length === -1) return null;
      if (length === 0) return [];
      if (this.#open.length >= DEPTH_MAX) throw new ProtocolError(`arrays nested deeper than ${DEPTH_MAX}`);
      this.#open.push({ items: [], left: length });
    }
  }

  /** The line that begins here, without its CRLF. */
  #line(): string | undefined {
    const end = this.#buffer.indexOf(LF, this.#offset);
    if (end === -1) {
      if (this.#buffer.length - this.#offset > LINE_MAX_BYTES) throw new ProtocolError(`a line of more than ${LINE_MAX_BYTES} bytes`);
      return undefined;
    }
    if (end === this.#offset || this.#buffer[end - 1] !== CR) throw new ProtocolError("a line that does not end in CR LF");
    const line = this.#buffer.toString("utf8", this.#offset, end - 1);
    if (line === "") throw new ProtocolError("an empty line");
    this.#offset = end + 1;
    return line;
  }

  #bulk(line: string, start: number): Buffer | null | undefined {
    const length = lengthOf(line, BULK_MAX_BYTES);
    if (length === -1) return null;
    const end = this.#offset + length;
    if (this.#buffer.length < end + 2) {
      this.#neededBytes = end + 2 - this.#buffer.length;
      this.#offset = start;
      return undefined;
    }
    if (this.#buffer[end] !== CR || this.#buffer[end + 1] !== LF) throw new ProtocolError("a bulk string that does not end in CR LF");
    const bulk = this.#buffer.subarray(this.#offset, end);
    this.#offset = end + 2;
    return bulk;
  }
}

function scalar(line: string): Reply {
  const text = line.slice(1);
  switch (line[0]) {
    case "+":
      return new Status(text);
    case "-":
      return new ReplyError(text);
    case ":":
      return integer(text);
    default:
      throw new ProtocolError(`a reply that begins with ${JSON.stringify(line[0])}`);
  }
}

function integer(text: string): number | bigint {
  if (!/^-?[0-9]{1,19}(?![\s\S])/.test(text)) throw new ProtocolError(`the integer ${JSON.stringify(text)}`);
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : BigInt(text);
}

/** A length line's number; -1 means null. */
function lengthOf(line: string, max: number): number {
  const length = /^.(?:-1|[0-9]{1,10})(?![\s\S])/.test(line) ? Number(line.slice(1)) : Number.NaN;
  if (!(length <= max)) throw new ProtocolError(`the length ${JSON.stringify(line)}`);
  return length;
}
