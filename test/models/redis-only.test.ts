import { test } from "node:test";
import { type RedisOnlySetup, redisOnlyModel } from "./redis-only-model.ts";
import { assertHolds, assertKilled, mutant } from "./report.ts";

const CALM: RedisOnlySetup = { writers: 2, collections: 1, losses: 0, lateDeletes: false, ownClaims: false, atomicCommit: true };

test("flags in Redis alone hold as long as nothing happens: one collection, no loss, every DELETE answered", (t) => {
  assertHolds(t, redisOnlyModel(CALM));
});

test("flags in Redis alone lose an acknowledged version as soon as anything happens", (t) => {
  const problem = /an acknowledged version lost its chunk/;
  assertKilled(t, [
    mutant("two collections at once, no fault at all", redisOnlyModel({ ...CALM, collections: 2 }), { problem }),
    mutant("two collections, each claims only its own", redisOnlyModel({ ...CALM, collections: 2, ownClaims: true }), { problem }),
    mutant("Redis goes back or is wiped once", redisOnlyModel({ ...CALM, writers: 1, losses: 1 }), { problem }),
    mutant("one DELETE without an answer", redisOnlyModel({ ...CALM, writers: 1, lateDeletes: true }), { problem }),
    mutant("the commit looks first and commits then", redisOnlyModel({ ...CALM, writers: 1, atomicCommit: false }), { problem }),
  ]);
});
