/**
 * Opaque bearer tokens: `hf_`, 30 characters of randomness and 6 of checksum, all base62. The prefix is what the Hub's clients
 * insist on; the checksum lets a scanner tell a real token from a look-alike without asking anybody. Only the SHA-256 is ever stored.
 */
const ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const RANDOM_CHARACTERS = 30;
const CHECK_CHARACTERS = 6;
const FORM = /^hf_([0-9A-Za-z]{30})([0-9A-Za-z]{6})(?![\s\S])/;

/** What short tokens begin with, so that they are looked for in the right place first. Others may begin so by chance. */
const SHORT_MARK = "S";

/** @param random at least 32 random bytes. */
export function makeToken(random: Uint8Array): string {
  return checked(bodyOf(random));
}

/** One that is exchanged for another issuer's token, and lives an hour at most. */
export function makeShortToken(random: Uint8Array): string {
  return checked(SHORT_MARK + bodyOf(random).slice(1));
}

/** Whether a token may be a short one. */
export function isShortToken(token: string): boolean {
  return token.startsWith(`hf_${SHORT_MARK}`);
}

function bodyOf(random: Uint8Array): string {
  if (random.length < 32) throw new RangeError("a token needs 32 random bytes");
  let value = 0n;
  for (const byte of random.subarray(0, 32)) value = (value << 8n) | BigInt(byte);
  return base62(value, RANDOM_CHARACTERS);
}

function checked(body: string): string {
  return `hf_${body}${checkOf(body)}`;
}

export function isToken(text: string): boolean {
  const [, body, check] = FORM.exec(text) ?? [];
  return body !== undefined && checkOf(body) === check;
}

function checkOf(body: string): string {
  return base62(BigInt(crc32(body)), CHECK_CHARACTERS);
}

function base62(value: bigint, length: number): string {
  let text = "";
  for (let rest = value; text.length < length; rest /= 62n) text = (ALPHABET[Number(rest % 62n)] ?? "") + text;
  return text;
}

/** CRC-32 (IEEE) of an ASCII text. */
function crc32(text: string): number {
  let crc = 0xffffffff;
  for (let i = 0; i < text.length; i++) {
    crc ^= text.charCodeAt(i);
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  }
  return (crc ^ 0xffffffff) >>> 0;
}
