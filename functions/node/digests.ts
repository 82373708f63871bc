/**
 * Digests of small texts by OpenSSL in this thread, 1.5 µs each. WebCrypto hands each to another thread and back, which costs several
 * times as much, and on a busy virtual machine ten times: a page of 500 tickets has 1,500 of them.
 */
import { createHmac, createSecretKey, hash } from "node:crypto";
import type { Digests } from "../registry/ports.ts";

export const nodeDigests: Digests = {
  sha256: (bytes) => hash("sha256", bytes, "buffer"),
  async hmac(key) {
    const secret = createSecretKey(key);
    return (bytes) => createHmac("sha256", secret).update(bytes).digest();
  },
};
