/** Promises of ChunkIndex. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { digestOf } from "../support/chain.ts";
import { chunkEntry } from "../support/index-values.ts";
import type { MakeIndexes } from "./metadata.ts";

export function chunkIndexSuite(name: string, make: MakeIndexes): void {
  describe(`chunk index ${name}`, () => {
    test("finds what was added, in the order asked, and null for the rest", async () => {
      const { chunks } = make();
      const known = Array.from({ length: 700 }, (_, at) => chunkEntry(`chunk ${at}`));
      await chunks.add(known);
      const asked = known.flatMap(({ sha256 }, at) => [sha256, digestOf(`unknown ${at}`)]).reverse();
      const answers = await chunks.find(asked);
      const expected = known.flatMap(({ sha256: _, ...entry }) => [entry, null]).reverse();
      assert.deepEqual(answers, expected);
    });

    test("finds nothing where nothing was added, and nothing of nothing", async () => {
      const { chunks } = make();
      assert.deepEqual(await chunks.find([digestOf("a"), digestOf("b")]), [null, null]);
      assert.deepEqual(await chunks.find([]), []);
      await chunks.add([]);
    });

    test("a digest that is asked twice is answered twice", async () => {
      const { chunks } = make();
      const { sha256, ...entry } = chunkEntry("a");
      await chunks.add([{ sha256, ...entry }]);
      assert.deepEqual(await chunks.find([sha256, digestOf("b"), sha256]), [entry, null, entry]);
    });

    test("the newest entry of a digest is the one that is found", async () => {
      const { chunks } = make();
      const first = chunkEntry("a");
      const second = { ...chunkEntry("b"), sha256: first.sha256, size: 1 };
      await chunks.add([first]);
      await chunks.add([second]);
      const { sha256, ...entry } = second;
      assert.deepEqual(await chunks.find([sha256]), [entry]);
    });

    test("adds what is missing, leaves what is there, and counts", async () => {
      const { chunks } = make();
      const known = Array.from({ length: 300 }, (_, at) => chunkEntry(`chunk ${at}`));
      await chunks.add(known.slice(0, 100));
      const others = known.map((entry) => ({ ...entry, tag: "f".repeat(16) }));
      assert.equal(await chunks.addMissing([...others, ...known]), 200);
      assert.equal(await chunks.addMissing(others), 0);
      assert.equal(await chunks.addMissing([]), 0);
      const tags = (await chunks.find(known.map(({ sha256 }) => sha256))).map((entry) => entry?.tag);
      assert.deepEqual(
        tags,
        known.map(({ tag }, at) => (at < 100 ? tag : "f".repeat(16))),
      );
    });

    test("forgets everything, also when there is nothing", async () => {
      const { chunks } = make();
      const known = Array.from({ length: 64 }, (_, at) => chunkEntry(`chunk ${at}`));
      await chunks.add(known);
      await chunks.clear();
      await chunks.clear();
      assert.ok((await chunks.find(known.map(({ sha256 }) => sha256))).every((entry) => entry === null));
    });

    test("forgets entries that have the tags named, and no entry that was written anew", async () => {
      const { chunks } = make();
      const known = Array.from({ length: 300 }, (_, at) => chunkEntry(`chunk ${at}`));
      await chunks.add(known);
      const renewed = known.slice(0, 50).map((entry) => ({ ...entry, tag: "f".repeat(16) }));
      await chunks.add(renewed);
      await chunks.remove([...known.slice(0, 200), chunkEntry("unknown")].map(({ sha256, tag }) => ({ sha256, tag })));
      const tags = (await chunks.find(known.map(({ sha256 }) => sha256))).map((entry) => entry?.tag);
      assert.deepEqual(
        tags,
        known.map(({ tag }, at) => (at < 50 ? "f".repeat(16) : at < 200 ? undefined : tag)),
      );
      await chunks.remove([]);
    });

    test("a lost key costs its hints and nothing else", async () => {
      const { chunks, loseKey } = make();
      const known = Array.from({ length: 64 }, (_, at) => chunkEntry(`chunk ${at}`));
      await chunks.add(known);
      await loseKey("chunks:a");
      const answers = await chunks.find(known.map(({ sha256 }) => sha256));
      known.forEach(({ sha256 }, at) => {
        assert.equal(answers[at] === null, sha256.startsWith("a"));
      });
    });
  });
}
