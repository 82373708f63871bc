/** Keyed digests with the deployment's secret. */
import type { Digests, Keyed } from "./registry/ports.ts";
import { webDigests } from "./web-digests.ts";

const encoder = new TextEncoder();

/** @param secret at least 32 bytes. */
export async function makeKeyed(secret: Uint8Array, digests: Digests = webDigests): Promise<Keyed> {
  const hmac = await digests.hmac(secret);
  const sign = async (text: string) => hmac(encoder.encode(text));
  return {
    mac: (...parts) => sign(joined(parts)),
    macs: (prefix, lasts) => Promise.all(lasts.map((last) => sign(joined([...prefix, last])))),
  };
}

/** Lengths before the parts, so that no two lists of parts give the same text. */
function joined(parts: readonly string[]): string {
  return parts.map((part) => `${part.length}:${part}`).join("");
}
