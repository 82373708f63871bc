/** Keyed digests on WebCrypto. */
import type { Keyed } from "./registry/ports.ts";

const encoder = new TextEncoder();

/** @param secret the deployment's secret, at least 32 bytes. */
export async function makeKeyed(secret: Uint8Array): Promise<Keyed> {
  const key = await crypto.subtle.importKey("raw", secret as Uint8Array<ArrayBuffer>, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  const sign = async (text: string) => new Uint8Array(await crypto.subtle.sign("HMAC", key, encoder.encode(text)));
  return {
    mac: (...parts) => sign(joined(parts)),
    macs: (prefix, lasts) => Promise.all(lasts.map((last) => sign(joined([...prefix, last])))),
  };
}

/** Lengths before the parts, so that no two lists of parts give the same text. */
function joined(parts: readonly string[]): string {
  return parts.map((part) => `${part.length}:${part}`).join("");
}
