import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { Sha256 } from "../../../functions/dashboard/app/upload/sha256.ts";

test("bytes that come in pieces of any length have the digest that they have as a whole", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 12 }), (pieces) => {
      const [ours, reference] = [new Sha256(), createHash("sha256")];
      for (const piece of pieces) {
        ours.update(piece);
        reference.update(piece);
      }
      assert.equal(ours.digest(), reference.digest("hex"));
    }),
  );
});

test("every length around the ends of blocks is padded right", () => {
  for (let length = 0; length <= 200; length++) {
    const bytes = new Uint8Array(length).fill(length);
    assert.equal(new Sha256().update(bytes).digest(), createHash("sha256").update(bytes).digest("hex"), `${length}`);
  }
});
