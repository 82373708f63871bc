/** Boards in memory and on a real Redis, by both ways: the same promises. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { redisIndexes } from "../../functions/metadata/indexes.ts";
import type { Boards } from "../../functions/registry/ports.ts";
import { MemoryBoards } from "../support/memory-boards.ts";
import { type RedisIndexes, startRedisIndexes } from "../support/redis-indexes.ts";
import { whyNoRedis } from "../support/stack.ts";

function promises(make: () => Boards): void {
  test("texts are read as they were written, those of several boards at once; what is not there is empty", async () => {
    const boards = make();
    await boards.write("a", { one: "1", "na:me": '{"x":"é\\u0000"}' }, 60);
    await boards.write("b", { one: "2" }, 60);
    const [a, none, b] = await boards.read(["a", "none", "b"]);
    assert.deepEqual([...(a ?? [])].sort(), [
      ["na:me", '{"x":"é\\u0000"}'],
      ["one", "1"],
    ]);
    assert.deepEqual([none?.size, b?.get("one")], [0, "2"]);
    assert.deepEqual(await boards.read([]), []);
  });

  test("a text that is written again is replaced, the others stay; what is wiped is gone, and may be wiped again", async () => {
    const boards = make();
    await boards.write("c", { one: "1", two: "2" }, 60);
    await boards.write("c", { one: "new" }, 60);
    await boards.wipe("c", ["two", "never"]);
    await boards.wipe("c", []);
    await boards.wipe("none", ["two"]);
    assert.deepEqual([...((await boards.read(["c"]))[0] ?? [])], [["one", "new"]]);
  });
}

describe("in memory", () => promises(() => new MemoryBoards({ now: () => 0 })));

describe("on a real Redis", { skip: whyNoRedis() }, () => {
  let parts: RedisIndexes;
  let generations = 0;
  before(async () => {
    parts = await startRedisIndexes();
  });
  after(() => parts?.stop());
  const fresh = (commands: RedisIndexes["rest"]) => redisIndexes({ commands, generation: `boards${++generations}` }).boards;
  describe("by REST", () => promises(() => fresh(parts.rest)));
  describe("by TCP", () => promises(() => fresh(parts.tcp)));
});
