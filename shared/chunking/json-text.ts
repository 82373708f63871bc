/**
 * The few tokens of JSON that a safetensors header has, read strictly from a cursor: objects, arrays, strings and non-negative
 * integers. JSON.parse would need the whole header (up to 100 MB) in memory several times over, and hides duplicate keys.
 *
 * `within` loads enough for a stretch of bounded length, and the synchronous methods work on what it loaded.
 */
import { type Cursor, Malformed } from "./source.ts";

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const SPACES = new Set([0x20, 0x09, 0x0a, 0x0d]);
const ESCAPES = new Set([...'"\\/bfnrtu'].map((character) => character.charCodeAt(0)));

const strictUtf8 = () => new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export class JsonText {
  readonly #cursor: Cursor;
  readonly #stretchBytesMax: number;
  readonly #decoder = strictUtf8();

  constructor(cursor: Cursor, stretchBytesMax: number) {
    this.#cursor = cursor;
    this.#stretchBytesMax = stretchBytesMax;
  }

  /** Lets `read` take up to the longest stretch. It is checked, so that no outcome depends on where windows happen to end. */
  async within<T>(read: () => T): Promise<T> {
    await this.#cursor.lookAhead(this.#stretchBytesMax);
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

  /** After a member: true at a comma, false at `close`, which end or go on with the object or array. */
  more(close: string): boolean {
    const byte = this.#next();
    if (byte !== COMMA && byte !== close.charCodeAt(0)) throw new Malformed("a comma is missing");
    return byte === COMMA;
  }

  string(): string {
    this.expect('"');
    const rest = this.#cursor.rest();
    let plain = true;
    let length = 0;
    for (let byte = rest[0]; byte !== QUOTE; byte = rest[++length]) {
      if (byte === undefined || byte < 0x20) throw new Malformed("a string does not end");
      plain &&= byte < 0x80 && byte !== BACKSLASH;
      if (byte === BACKSLASH) length++;
    }
    const bytes = this.#cursor.bytes(length);
    this.#cursor.skip(1);
    return plain && length < 256 ? String.fromCharCode(...bytes) : this.#decode(bytes);
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

  /** Takes the rest of a string of any length, behind its first quote, and forgets it. */
  async skipString(): Promise<void> {
    const decoder = strictUtf8();
    for (;;) {
      await this.#cursor.need(1);
      const rest = this.#cursor.rest();
      const length = plainLength(rest);
      decode(decoder, this.#cursor.bytes(length), { stream: length === rest.length });
      if (length === rest.length) continue;
      const byte = this.#cursor.u8();
      if (byte === QUOTE) return;
      if (byte !== BACKSLASH) throw new Malformed("a string has a control character");
      await this.#cursor.lookAhead(5);
      this.#skipEscape();
    }
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

  #skipEscape(): void {
    const kind = this.#cursor.u8();
    if (!ESCAPES.has(kind)) throw new Malformed("an escape is unknown");
    if (kind !== 0x75) return;
    const digits = String.fromCharCode(...this.#cursor.bytes(4));
    if (!/^[0-9a-f]{4}$/i.test(digits)) throw new Malformed("an escape is incomplete");
  }

  /** @param bytes what stands between the quotes. */
  #decode(bytes: Uint8Array): string {
    const text = decode(this.#decoder, bytes);
    if (!text.includes("\\")) return text;
    try {
      const value: unknown = JSON.parse(`"${text}"`);
      if (typeof value === "string" && value.isWellFormed()) return value;
    } catch {
      // Said below, like a lone surrogate.
    }
    throw new Malformed("a string has a wrong escape");
  }
}

function plainLength(bytes: Uint8Array): number {
  const length = bytes.findIndex((byte) => byte === QUOTE || byte === BACKSLASH || byte < 0x20);
  return length < 0 ? bytes.length : length;
}

function decode(decoder: ReturnType<typeof strictUtf8>, bytes: Uint8Array, options?: { stream: boolean }): string {
  try {
    return decoder.decode(bytes, options);
  } catch {
    throw new Malformed("a string is not UTF-8");
  }
}
