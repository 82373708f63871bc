/**
 * The few tokens of JSON that a safetensors header has, read strictly from a cursor: objects, arrays, strings and non-negative
 * integers. JSON.parse would need the whole header (up to 100 MB) in memory several times over, and hides duplicate keys.
 *
 * `load` loads enough for a stretch of bounded length, and the synchronous methods, called `within` it, work on what is loaded.
 */
import { type Cursor, Malformed } from "./source.ts";

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const UNICODE_ESCAPE = 0x75;
const UNICODE_ESCAPE_BYTES = 6;

const codesOf = (characters: string) => new Set([...characters].map((character) => character.charCodeAt(0)));
const SPACES = codesOf(" \t\n\r");
const ESCAPES = codesOf('"\\/bfnrtu');
const HEX_DIGITS = codesOf("0123456789abcdefABCDEF");

const strictUtf8 = () => new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export class JsonText {
  readonly #cursor: Cursor;
  readonly #stretchBytesMax: number;
  readonly #decoder = strictUtf8();

  constructor(cursor: Cursor, stretchBytesMax: number) {
    this.#cursor = cursor;
    this.#stretchBytesMax = stretchBytesMax;
  }

  /** Whether less than the longest stretch is loaded although more is there. Asked first, because a needless `await` costs more. */
  get isLow(): boolean {
    return this.#cursor.loaded < Math.min(this.#stretchBytesMax, this.#cursor.remaining);
  }

  load(): Promise<void> {
    return this.#cursor.lookAhead(this.#stretchBytesMax);
  }

  /** Lets `read` take up to the longest stretch. It is checked, so that no outcome depends on where windows happen to end. */
  within<T>(read: () => T): T {
    const start = this.#cursor.position;
    const value = read();
    if (this.#cursor.position - start > this.#stretchBytesMax) throw new Malformed("a stretch of the header is too long");
    return value;
  }

  /** Takes `symbol`, one ASCII character, after any white space. */
  expect(symbol: string): void {
    if (this.#next() !== symbol.charCodeAt(0)) throw new Malformed(`${symbol} is missing`);
  }

  /** Takes `close` if it comes next. */
  closes(close: string): boolean {
    const byte = this.#next();
    if (byte === close.charCodeAt(0)) return true;
    this.#cursor.skip(-1);
    return false;
  }

  /** Behind a member: true at a comma, so that another follows; false at `close`. */
  more(close: string): boolean {
    const byte = this.#next();
    if (byte !== COMMA && byte !== close.charCodeAt(0)) throw new Malformed("a comma is missing");
    return byte === COMMA;
  }

  string(): string {
    this.expect('"');
    const rest = this.#cursor.rest();
    let length = 0;
    for (let byte = rest[0]; byte !== QUOTE; byte = rest[++length]) {
      if (byte === undefined || byte < 0x20) throw new Malformed("a string does not end");
      if (byte === BACKSLASH) length++;
    }
    const text = decode(this.#decoder, this.#cursor.bytes(length));
    this.#cursor.skip(1);
    return text.includes("\\") ? unescaped(text) : text;
  }

  /** A non-negative integer up to 2^53 - 1, written without sign, fraction, exponent or leading zeros. */
  integer(): number {
    let digit = this.#next() - 0x30;
    if (digit < 0 || digit > 9) throw new Malformed("an integer is missing");
    let value = digit;
    for (digit = this.#cursor.peek() - 0x30; digit >= 0 && digit <= 9; digit = this.#cursor.peek() - 0x30) {
      if (value === 0) throw new Malformed("an integer has a leading zero");
      value = value * 10 + digit;
      if (value > Number.MAX_SAFE_INTEGER) throw new Malformed("an integer is beyond 2^53");
      this.#cursor.skip(1);
    }
    return value;
  }

  /** Takes a string of any length and forgets it. */
  async skipString(): Promise<void> {
    if (this.isLow) await this.load();
    this.within(() => this.expect('"'));
    const decoder = strictUtf8();
    for (let closed = false; !closed; ) {
      await this.#cursor.lookAhead(UNICODE_ESCAPE_BYTES);
      const rest = this.#cursor.rest();
      const length = stringLength(rest);
      closed = rest[length] === QUOTE;
      if (length === 0 && !closed) throw new Malformed("a string does not end");
      decode(decoder, this.#cursor.bytes(length), { stream: !closed });
    }
    this.#cursor.skip(1);
  }

  /** Only white space up to the end. */
  async expectEnd(): Promise<void> {
    while (this.#cursor.remaining > 0) {
      await this.#cursor.need(1);
      for (const byte of this.#cursor.bytes(this.#cursor.loaded)) {
        if (!SPACES.has(byte)) throw new Malformed("something follows the header");
      }
    }
  }

  #next(): number {
    let byte = this.#cursor.u8();
    while (SPACES.has(byte)) byte = this.#cursor.u8();
    return byte;
  }
}

/** @param text what stands between the quotes. */
function unescaped(text: string): string {
  try {
    const value: unknown = JSON.parse(`"${text}"`);
    if (typeof value === "string" && value.isWellFormed()) return value;
  } catch {
    // Said below, like a lone surrogate.
  }
  throw new Malformed("a string has a wrong escape");
}

/** How much of `bytes` belongs to a string: up to its closing quote, an escape that is not whole, or the end. */
function stringLength(bytes: Uint8Array): number {
  let at = 0;
  while (at < bytes.length) {
    const byte = bytes[at] ?? QUOTE;
    if (byte === QUOTE) return at;
    if (byte < 0x20) throw new Malformed("a string has a control character");
    const length = byte === BACKSLASH ? escapeLength(bytes, at) : 1;
    if (at + length > bytes.length) return at;
    at += length;
  }
  return at;
}

/** Length of the escape at `at`, which may reach out of `bytes`. */
function escapeLength(bytes: Uint8Array, at: number): number {
  const kind = bytes[at + 1];
  if (kind === undefined) return 2;
  if (!ESCAPES.has(kind)) throw new Malformed("an escape is unknown");
  if (kind !== UNICODE_ESCAPE) return 2;
  for (const digit of bytes.subarray(at + 2, at + UNICODE_ESCAPE_BYTES)) {
    if (!HEX_DIGITS.has(digit)) throw new Malformed("an escape is not of hex digits");
  }
  return UNICODE_ESCAPE_BYTES;
}

function decode(decoder: ReturnType<typeof strictUtf8>, bytes: Uint8Array, options?: { stream: boolean }): string {
  try {
    return decoder.decode(bytes, options);
  } catch {
    throw new Malformed("a string is not UTF-8");
  }
}
