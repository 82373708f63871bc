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
      await uploads.remember(UPLOAD_KEY, "text.of-an_upload");
      assert.equal(await uploads.current(UPLOAD_KEY), "text.of-an_upload");
      for (const other of [{ principal: "other" }, { branch: refOf("main") }, { repositoryId: repositoryIdOf("other") }]) {
        assert.equal(await uploads.current({ ...UPLOAD_KEY, ...other }), null, Object.keys(other)[0]);
      }
      await uploads.remember(UPLOAD_KEY, "a later one");
      assert.equal(await uploads.current(UPLOAD_KEY), "a later one");
      await uploads.forget(UPLOAD_KEY);
      await uploads.forget(UPLOAD_KEY);
      assert.equal(await uploads.current(UPLOAD_KEY), null);
    });
  });
}
