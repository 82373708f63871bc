/**
 * Hex texts in two thirds of their length: three hex digits are two characters of base64url. Digests, tags and ids are hex everywhere
 * else; Redis keeps what is written, and a chunk index holds tens of millions of them. By table, since a page packs thousands.
 */
const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const HEX = "0123456789abcdef";

/** By 12 bits. */
const PAIRS = Array.from({ length: 4096 }, (_, bits) => ALPHABET.charAt(bits >> 6) + ALPHABET.charAt(bits & 63));
const TRIPLES = Array.from({ length: 4096 }, (_, bits) => bits.toString(16).padStart(3, "0"));
/** By character code. */
const VALUES_OF_HEX = valuesIn(HEX);
const VALUES_OF_BASE64 = valuesIn(ALPHABET);

/** @param hex lower-case hex digits, a multiple of three; throws RangeError on others */
export function packHex(hex: string): string {
  if (hex.length % 3 !== 0 || /[^0-9a-f]/.test(hex)) throw new RangeError("only lower-case hex, three digits at a time, can be packed");
  let text = "";
  for (let at = 0; at < hex.length; at += 3) {
    const high = (valueAt(VALUES_OF_HEX, hex, at) << 8) | (valueAt(VALUES_OF_HEX, hex, at + 1) << 4);
    text += PAIRS[high | valueAt(VALUES_OF_HEX, hex, at + 2)];
  }
  return text;
}

/** The hex that was packed into `text`; null when `text` is not of that many hex digits, or nothing that packHex made. */
export function unpackHex(text: string, hexLength: number): string | null {
  if (text.length * 3 !== hexLength * 2 || /[^\w-]/.test(text)) return null;
  let hex = "";
  for (let at = 0; at < text.length; at += 2) {
    hex += TRIPLES[(valueAt(VALUES_OF_BASE64, text, at) << 6) | valueAt(VALUES_OF_BASE64, text, at + 1)];
  }
  return hex;
}

/** A digest as the field of a hash or a set: 43 characters, base64url of its 32 bytes. */
export function packDigest(digest: string): string {
  // Two digits more make it a multiple of three; the last character then says nothing.
  return packHex(`${digest}00`).slice(0, 43);
}

function valueAt(values: Uint8Array, text: string, at: number): number {
  return values[text.charCodeAt(at)] ?? 0;
}

function valuesIn(alphabet: string): Uint8Array {
  const values = new Uint8Array(128);
  for (let value = 0; value < alphabet.length; value++) values[alphabet.charCodeAt(value)] = value;
  return values;
}
