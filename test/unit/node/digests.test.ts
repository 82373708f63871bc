import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { nodeDigests } from "../../../functions/node/digests.ts";
import { webDigests } from "../../../functions/web-digests.ts";

test("digests of small texts are the same by OpenSSL and by WebCrypto, and bytes may be changed once they were handed over", async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 100 }), fc.uint8Array({ maxLength: 700 }), async (key, bytes) => {
      const results = [webDigests, nodeDigests].map(async ({ sha256, hmac }) => {
        const mac = await hmac(key);
        const [own, again] = [bytes.slice(), bytes.slice()];
        const both = [sha256(own), mac(again)];
        own.fill(0);
        again.fill(0);
        return (await Promise.all(both)).map((digest) => Buffer.from(digest).toString("hex"));
      });
      const [web, node] = await Promise.all(results);
      assert.deepEqual(node, web);
    }),
  );
});
