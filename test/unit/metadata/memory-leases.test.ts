/** Leases in memory end as those on Redis do: when the time is over that their owner asked for last. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { memoryIndexes } from "../../support/memory-index.ts";

test("a lease is another's when its time is over, and its owner's for as long as it is extended", async () => {
  let nowMs = 0;
  const { leases } = memoryIndexes({ clock: { now: () => nowMs } });
  assert.equal(await leases.acquire("collect", "a", 1_000), 1);
  nowMs = 900;
  assert.equal(await leases.acquire("collect", "a", 1_000), 1);
  nowMs = 1_899;
  assert.equal(await leases.acquire("collect", "b", 1_000), null);
  nowMs = 1_900;
  assert.equal(await leases.acquire("collect", "b", 1_000), 2);
  await leases.release("collect", "a");
  assert.equal(await leases.acquire("collect", "a", 1_000), null);
});
