/** Digests of small texts by WebCrypto: what every runtime has. */
import type { Digests } from "./registry/ports.ts";

export const webDigests: Digests = {
  sha256: async (bytes) => new Uint8Array(await crypto.subtle.digest("SHA-256", unshared(bytes))),
  async hmac(key) {
    const imported = await crypto.subtle.importKey("raw", unshared(key), { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
    return async (bytes) => new Uint8Array(await crypto.subtle.sign("HMAC", imported, unshared(bytes)));
  },
};

/** Nothing here is a view of memory that threads share, which WebCrypto would refuse. */
function unshared(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return bytes as Uint8Array<ArrayBuffer>;
}
