/** Promises of Notes. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { MakeIndexes } from "./metadata.ts";

export function notesSuite(name: string, make: MakeIndexes): void {
  describe(`notes ${name}`, () => {
    test("a note says what was written last, and only who knows what it says writes it", async () => {
      const { notes } = make();
      assert.equal(await notes.read("sound"), null);
      assert.equal(await notes.swap("sound", "something", "one"), false);
      assert.equal(await notes.read("sound"), null);
      assert.equal(await notes.swap("sound", null, "one: é \n {}"), true);
      assert.equal(await notes.read("sound"), "one: é \n {}");
      assert.equal(await notes.swap("sound", null, "two"), false);
      assert.equal(await notes.swap("sound", "one: é \n {}", "two"), true);
      assert.equal(await notes.read("sound"), "two");
    });

    test("a swap that is sent twice has happened once", async () => {
      const { notes } = make();
      assert.equal(await notes.swap("sound", null, "one"), true);
      assert.equal(await notes.swap("sound", null, "one"), true);
      assert.equal(await notes.swap("sound", "one", "two"), true);
      assert.equal(await notes.swap("sound", "one", "two"), true);
      assert.equal(await notes.read("sound"), "two");
    });

    test("notes of other names are others, and each can be lost", async () => {
      const { notes, loseKey } = make();
      await notes.swap("sound", null, "one");
      await notes.swap("rebuild", null, "two");
      await loseKey("note:sound");
      assert.deepEqual([await notes.read("sound"), await notes.read("rebuild")], [null, "two"]);
    });

    test("of many that swap at once one succeeds", async () => {
      const { notes } = make();
      const answers = await Promise.all(Array.from({ length: 20 }, (_, at) => notes.swap("sound", null, `${at}`)));
      assert.equal(answers.filter(Boolean).length, 1);
    });
  });
}
