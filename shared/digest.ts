/** SHA-256 digests as 64 lower-case hex characters, and how they are made where WebCrypto is (workerd, Node, browsers). */
import * as z from "zod";

export const Digest = z
  .string()
  .regex(/^[0-9a-f]{64}(?![\s\S])/, "64 lower-case hex characters")
  .brand<"Digest">();
export type Digest = z.infer<typeof Digest>;

const encoder = new TextEncoder();

/** SHA-256 of `data` (a string is taken as UTF-8). One shot: for records of some MiB, never for chunks. */
export async function sha256(data: Uint8Array | string): Promise<Digest> {
  const bytes = typeof data === "string" ? encoder.encode(data) : data;
  return toHex(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes as Uint8Array<ArrayBuffer>))) as Digest;
}

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

export function toHex(bytes: Uint8Array): string {
  let hex = "";
  for (const byte of bytes) hex += HEX[byte];
  return hex;
}

/** @param hex an even number of hex characters; the caller has checked them. */
export function fromHex(hex: string): Uint8Array {
  const bytes = new Uint8Array(hex.length / 2);
  for (let i = 0; i < bytes.length; i++) bytes[i] = Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16);
  return bytes;
}

export function toBase64(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}

export function toBase64Url(bytes: Uint8Array): string {
  return toBase64(bytes).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

export function fromBase64Url(text: string): Uint8Array {
  return Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (character) => character.charCodeAt(0));
}
