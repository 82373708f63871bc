import { test } from "node:test";
import { type LogRules, type LogSetup, logModel, type Operation } from "./log-model.ts";
import { assertHolds, assertKilled, assertReaches, mutant } from "./report.ts";

const operations: Record<string, Operation> = {
  older: { branch: "old", expects: "anything" },
  base: { branch: "main", expects: "nothing" },
  A: { branch: "main", expects: "base" },
  B: { branch: "main", expects: "base" },
  T: { branch: "tag", expects: "anything" },
  U: { branch: "tag", expects: "anything" },
};
/** Two commits from one parent, one of them asked for twice at the same time; Redis forgets or goes back once, at any moment. */
const COMMITS: LogSetup = { operations, before: ["base"], requests: ["A", "A", "B"], losses: 1, ring: 256, replayMax: 2000 };
/** Acts that compare nothing: here only the operation id prevents that one happens twice. */
const ACTS: LogSetup = { ...COMMITS, requests: ["T", "T", "U"] };
/** A ring so short that one later record pushes an operation out of it. */
const SHORT_RING: LogSetup = { ...COMMITS, requests: ["A", "A", "T"], ring: 1 };
/** A log longer than one request may replay. */
const LONG: LogSetup = { ...COMMITS, before: ["older", "base"], requests: ["A", "A"], replayMax: 1 };

const SETUPS: Record<string, LogSetup> = {
  "two commits from one parent, one asked for twice": COMMITS,
  "acts that compare nothing, one asked for twice": ACTS,
  "acts that compare nothing, with a ring of one": { ...ACTS, ring: 1 },
  "an operation that falls out of the ring": SHORT_RING,
  "a replay that takes several requests": LONG,
};

for (const [name, setup] of Object.entries(SETUPS)) {
  test(`F37: every act happens once, on what it expects, is answered truly, and can always be answered: ${name}`, (t) => {
    assertHolds(t, logModel(setup, {}, { goal: true }));
  });
}

const SOAK: Record<string, LogSetup> = {
  "two losses": { ...COMMITS, losses: 2 },
  "two losses, ring of one": { ...ACTS, ring: 1, losses: 2 },
  "both commits asked for twice": { ...COMMITS, requests: ["A", "A", "B", "B"] },
  "a commit and an act, both asked for twice, ring of one": { ...COMMITS, requests: ["A", "A", "T", "T"], ring: 1 },
};
for (const [name, setup] of Object.entries(SOAK)) {
  test(`the log at length: ${name}`, { skip: process.env["SOAK"] === "1" ? false : "minutes: SOAK=1 runs it", timeout: 3_600_000 }, (t) => {
    assertHolds(t, logModel(setup), { statesMax: 100_000_000 });
  });
}

test("the model of the log is no stand-still", () => {
  assertReaches(logModel(COMMITS), "both requests of one commit are answered, the other commit is refused", ({ threads }) => {
    return threads[0]?.at === "done" && threads[1]?.at === "done" && threads[2]?.at === "refused";
  });
  assertReaches(logModel(ACTS), "Redis is wiped after an act, and comes back whole", ({ log, index, losses, threads }) => {
    return losses === 0 && log.length === 3 && index.seq === 3 && index.replayTo > 0 && threads.every(({ at }) => at === "done");
  });
});

test("F37: each rule of the log is needed", (t) => {
  const broken = (name: string, setup: LogSetup, change: Partial<LogRules>, problem: RegExp) =>
    mutant(name, logModel(setup, change), { problem });
  assertKilled(t, [
    broken("records are written over what is there", COMMITS, { createOnly: false }, /acknowledged and is not in the log/),
    broken("the next place is the index's head + 1", COMMITS, { place: "after the index's head" }, /happened twice/),
    broken("the own operation is looked for only in what is in the way", ACTS, { findOwn: "in the way" }, /happened twice/),
    broken("older records are not searched", { ...ACTS, ring: 1 }, { searchOlder: "not" }, /happened twice/),
    broken(
      "older than the scanned tail's ring, not than the ring that was asked",
      SHORT_RING,
      { searchOlder: "than the scanned tail" },
      /refused and is in the log/,
    ),
    broken("ring and head are two keys", ACTS, { ringWithHead: false }, /happened twice/),
    broken("any whole index is believed, act", ACTS, { reads: "whole" }, /happened twice/),
    broken("any whole index is believed, commit", COMMITS, { reads: "whole" }, /refused|happened twice/),
    broken("any whole index is believed, and its head read again", ACTS, { reads: "head read again" }, /happened twice/),
    broken("the parent is compared once, not for every place", COMMITS, { compare: "once" }, /the head was/),
    broken("a first comparison is enough to refuse", COMMITS, { refuseEarly: true }, /nothing had moved/),
    broken("the index takes records out of turn", ACTS, { refuseGaps: false }, /happened twice/),
    mutant("a replay starts over with every request", logModel(LONG, { replayGoesOn: false }, { goal: true }), { verdict: "stuck" }),
  ]);
});
