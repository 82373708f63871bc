/** Texts that only the holder of a key can read, or make: AES-256-GCM, bound to what they are for. */
import { fromBase64Url, toBase64Url } from "./digest.ts";

const IV_BYTES = 12;

const encoder = new TextEncoder();

/** @param key 32 bytes. @param iv 12 random bytes, never used twice with one key. @param purpose what opens it must say the same */
export async function seal(key: Uint8Array, iv: Uint8Array, purpose: string, text: string): Promise<string> {
  const sealed = new Uint8Array(await crypto.subtle.encrypt(how(iv, purpose), await aesKey(key), encoder.encode(text)));
  const whole = new Uint8Array(IV_BYTES + sealed.length);
  whole.set(iv.subarray(0, IV_BYTES));
  whole.set(sealed, IV_BYTES);
  return toBase64Url(whole);
}

/** Null when it was sealed by another key, for another purpose, or changed since. */
export async function unseal(key: Uint8Array, purpose: string, sealed: string): Promise<string | null> {
  try {
    const whole = fromBase64Url(sealed);
    const opened = await crypto.subtle.decrypt(how(whole.subarray(0, IV_BYTES), purpose), await aesKey(key), cut(whole));
    return new TextDecoder().decode(opened);
  } catch {
    return null;
  }
}

function how(iv: Uint8Array, purpose: string) {
  return { name: "AES-GCM", iv: iv.slice(0, IV_BYTES) as Uint8Array<ArrayBuffer>, additionalData: encoder.encode(purpose) };
}

function cut(whole: Uint8Array): Uint8Array<ArrayBuffer> {
  return whole.slice(IV_BYTES) as Uint8Array<ArrayBuffer>;
}

function aesKey(key: Uint8Array) {
  return crypto.subtle.importKey("raw", key as Uint8Array<ArrayBuffer>, "AES-GCM", false, ["encrypt", "decrypt"]);
}
