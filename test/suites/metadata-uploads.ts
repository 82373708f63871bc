/** Promises of Uploads. How long they are kept is tried where time can be moved or read. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Proof } from "../../functions/registry/ports.ts";
import type { Digest } from "../../shared/digest.ts";
import { digestOf, hex, refOf, repositoryIdOf } from "../support/chain.ts";
import { proofOf, UPLOAD, UPLOAD_KEY } from "../support/index-values.ts";
import type { MakeIndexes } from "./metadata.ts";

export function uploadsSuite(name: string, make: MakeIndexes): void {
  describe(`uploads ${name}`, () => {
    test("give back the proofs recorded, in the order asked, and null for chunks that nothing is known of", async () => {
      const { uploads } = make();
      const states = ["reserved", "proven", "had"] as const;
      const proofs = new Map(Array.from({ length: 90 }, (_, at) => [digestOf(`c${at}`), proofOf(`c${at}`, states[at % 3])] as const));
      await uploads.record(UPLOAD, proofs);
      const asked = [...proofs.keys(), digestOf("none")].reverse();
      assert.deepEqual(await uploads.proofs(UPLOAD, asked), [null, ...[...proofs.values()].reverse()]);
      assert.deepEqual(await uploads.proofs(hex("another upload", 16), asked.slice(0, 2)), [null, null]);
      assert.deepEqual(await uploads.proofs(UPLOAD, []), []);
    });

    test("the newest proof of a chunk is the one that counts", async () => {
      const { uploads } = make();
      await uploads.record(UPLOAD, new Map([[digestOf("c"), proofOf("c", "reserved")]]));
      await uploads.record(UPLOAD, new Map([[digestOf("c"), proofOf("d", "proven")]]));
      assert.deepEqual(await uploads.proofs(UPLOAD, [digestOf("c")]), [proofOf("d", "proven")]);
    });

    test("name the recipes that were not sent, in the order asked", async () => {
      const { uploads } = make();
      const recipes = Array.from({ length: 50 }, (_, at) => digestOf(`recipe ${at}`));
      await uploads.addRecipes(UPLOAD, recipes.slice(0, 20));
      await uploads.addRecipes(UPLOAD, recipes.slice(10, 30));
      assert.deepEqual(await uploads.missingRecipes(UPLOAD, [...recipes].reverse()), recipes.slice(30).reverse());
      assert.deepEqual(await uploads.missingRecipes(hex("another upload", 16), recipes.slice(0, 2)), recipes.slice(0, 2));
      assert.deepEqual(await uploads.missingRecipes(UPLOAD, []), []);
    });

    test("hold an upload of ten thousand chunks", async () => {
      const { uploads } = make();
      const proofs = new Map<Digest, Proof>();
      for (let at = 0; at < 10_000; at++) proofs.set(digestOf(`c${at}`), proofOf(`c${at % 16}`, "proven"));
      await uploads.record(UPLOAD, proofs);
      assert.deepEqual(await uploads.proofs(UPLOAD, [...proofs.keys()]), [...proofs.values()]);
    });

    test("offer the unfinished upload of a caller's branch until it is forgotten, and nobody else's", async () => {
      const { uploads } = make();
      assert.equal(await uploads.current(UPLOAD_KEY), null);
      await uploads.remember(UPLOAD_KEY, "text.of-an_upload", 0, 10);
      assert.equal(await uploads.current(UPLOAD_KEY), "text.of-an_upload");
      for (const other of [{ principal: "other" }, { branch: refOf("main") }, { repositoryId: repositoryIdOf("other") }]) {
        assert.equal(await uploads.current({ ...UPLOAD_KEY, ...other }), null, Object.keys(other)[0]);
      }
      await uploads.remember(UPLOAD_KEY, "a later one", 0, 10);
      assert.equal(await uploads.current(UPLOAD_KEY), "a later one");
      await uploads.forget(UPLOAD_KEY);
      await uploads.forget(UPLOAD_KEY);
      assert.equal(await uploads.current(UPLOAD_KEY), null);
    });

    test("of one caller only so many may be begun within a day; what is forgotten, or a day old, makes room", async () => {
      const { uploads } = make();
      const key = (name: string, principal = "one") => ({ ...UPLOAD_KEY, branch: refOf(name), principal });
      const begin = (name: string, atMs: number, principal?: string) => uploads.remember(key(name, principal), name, atMs, 3);
      const day = 24 * 3_600_000;
      assert.deepEqual([await begin("a", 1), await begin("b", 2), await begin("c", 3), await begin("d", 4)], [true, true, true, false]);
      assert.equal(await uploads.current(key("d")), null);
      assert.equal(await begin("b", 5), true, "one that is known is begun anew");
      assert.equal(await begin("d", 4, "another"), true);
      await uploads.forget(key("c"));
      assert.deepEqual([await begin("d", 6), await begin("e", 7)], [true, false]);
      // "a" is a day old by now; "b" was begun again later.
      assert.deepEqual([await begin("e", day + 1), await begin("f", day + 1)], [true, false]);
    });
  });
}
