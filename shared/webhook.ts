/**
 * Signatures of Standard Webhooks (standard-webhooks.com): HMAC-SHA256 over `<id>.<timestamp>.<body>`, base64, as `v1,<signature>`; a header
 * may hold several, parted by spaces, while a secret is changed. Secrets are 24 to 64 bytes, written `whsec_<base64>`.
 */
import { toBase64 as base64, toHex } from "./digest.ts";

export const SECRET_PREFIX = "whsec_";
/** How far a message's time may be from ours. */
export const TOLERANCE_SECONDS = 300;

const encoder = new TextEncoder();

export type Signed = { id: string; timestamp: string; body: string };

export function webhookSecret(bytes: Uint8Array): string {
  return SECRET_PREFIX + base64(bytes);
}

/** The value of `webhook-signature`: one signature for each secret. */
export async function signWebhook(secrets: readonly string[], { id, timestamp, body }: Signed): Promise<string> {
  const text = encoder.encode(`${id}.${timestamp}.${body}`);
  const macs = await Promise.all(secrets.map((secret) => hmac(secretBytes(secret) ?? new Uint8Array(1), text)));
  return macs.map((mac) => `v1,${base64(mac)}`).join(" ");
}

/** Null when one of the signatures is right and the time is near; else what is wrong. @param nowMs since 1970 */
export async function webhookProblem(secrets: readonly string[], signed: Signed, signature: string, nowMs: number): Promise<string | null> {
  if (!/^[\x21-\x7e]{1,256}$/.test(signed.id)) return "webhook-id is missing";
  if (!/^\d{1,12}$/.test(signed.timestamp)) return "webhook-timestamp is not in seconds";
  if (Math.abs(nowMs / 1000 - Number(signed.timestamp)) > TOLERANCE_SECONDS) return "webhook-timestamp is not within 5 minutes";
  const right = (await signWebhook(secrets, signed)).split(" ");
  const given = signature.split(" ").slice(0, 10);
  const found = await Promise.all(given.flatMap((one) => right.map((other) => isSame(one, other))));
  return found.includes(true) ? null : "no signature is right";
}

/** The bytes of a secret; null for what is none. */
export function secretBytes(secret: string): Uint8Array | null {
  const text = secret.startsWith(SECRET_PREFIX) ? secret.slice(SECRET_PREFIX.length) : secret;
  if (!/^[A-Za-z0-9+/]{32,88}={0,2}$/.test(text)) return null;
  try {
    const bytes = Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
    return bytes.length >= 24 && bytes.length <= 64 ? bytes : null;
  } catch {
    return null;
  }
}

/** Hex HMAC-SHA256 of a text by a secret that is a text: GitHub's way. */
export async function hexMac(secret: string, body: string): Promise<string> {
  return toHex(await hmac(encoder.encode(secret), encoder.encode(body)));
}

/** Whether two texts are the same, in a time that tells nothing of where they differ: their MACs by a key of the moment are compared. */
export async function isSame(a: string, b: string): Promise<boolean> {
  const key = crypto.getRandomValues(new Uint8Array(32));
  const [one, other] = await Promise.all([hmac(key, encoder.encode(a)), hmac(key, encoder.encode(b))]);
  return one.every((byte, at) => byte === other[at]);
}

async function hmac(key: Uint8Array, bytes: Uint8Array): Promise<Uint8Array> {
  const imported = await crypto.subtle.importKey("raw", key as Uint8Array<ArrayBuffer>, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  return new Uint8Array(await crypto.subtle.sign("HMAC", imported, bytes as Uint8Array<ArrayBuffer>));
}
