import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { fromBase64Url, fromHex, sha256, toBase64, toBase64Url, toHex } from "../../../shared/digest.ts";
import { isoTime } from "../../../shared/time.ts";

test("property: digests and encodings are those of Node", async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async (bytes) => {
      const buffer = Buffer.from(bytes);
      assert.equal(await sha256(bytes), createHash("sha256").update(bytes).digest("hex"));
      assert.equal(toHex(bytes), buffer.toString("hex"));
      assert.equal(toBase64(bytes), buffer.toString("base64"));
      assert.equal(toBase64Url(bytes), buffer.toString("base64url"));
      assert.deepEqual(fromHex(toHex(bytes)), bytes);
      assert.deepEqual(fromBase64Url(toBase64Url(bytes)), bytes);
    }),
  );
});

test("property: the digest of a text is that of its UTF-8 bytes", async () => {
  await fc.assert(
    fc.asyncProperty(fc.string({ unit: "grapheme" }), async (text) => {
      assert.equal(await sha256(text), createHash("sha256").update(text, "utf8").digest("hex"));
    }),
  );
});

test("a time has milliseconds and says that it is UTC, so that texts sort as times do", () => {
  assert.equal(isoTime(0), "1970-01-01T00:00:00.000Z");
  assert.equal(isoTime(Date.parse("2026-01-02T03:04:05+08:00")), "2026-01-01T19:04:05.000Z");
});
