import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { lookAtIndex } from "../../../functions/registry/recovery/beat.ts";
import { dropOldMarks } from "../../../functions/registry/recovery/recent.ts";
import type { RepositoryId } from "../../../shared/contract/repositories.ts";
import { revisionOf } from "../../support/chain.ts";
import { REBUILDING } from "../../support/log-index.ts";
import {
  assertWhole,
  commitLost,
  commitTo,
  IDS,
  lookUntilDone,
  MINUTE_MS,
  mainOf,
  type RecoveryWorld,
  recoveryWorld,
} from "../../support/recovery-world.ts";

const [A, B] = IDS as [RepositoryId, RepositoryId];
const HOUR_MS = 60 * MINUTE_MS;

/** A world whose index is known to be whole, and whose patrol sees nothing: what is found, marks have told. */
async function soundWorld(): Promise<RecoveryWorld> {
  const world = await recoveryWorld();
  await lookUntilDone(world);
  assert.equal((await lookAtIndex(world.ports)).state, "sound");
  return world;
}

/** The patrol, and nothing else, lists all repositories; a page of nothing is what it then gets. */
function blindPatrol({ app }: RecoveryWorld): void {
  const { bucket } = app.stores.home;
  const list = bucket.list.bind(bucket);
  bucket.list = (prefix, options) => (prefix === "repositories/" ? Promise.resolve({ objects: [], more: false }) : list(prefix, options));
}

test("an index that went back by seconds is right again after one look, whatever was read from it before", async () => {
  const world = await soundWorld();
  blindPatrol(world);
  await commitTo(world, A, "old");
  await commitTo(world, B, "other");
  const undo = world.app.indexes.snapshot();
  await commitTo(world, A, "new");
  undo();
  assert.equal(await mainOf(world, A), revisionOf("old"));
  const check = await lookAtIndex(world.ports);
  assert.deepEqual([check.state, check.healedLogs, check.healedRecords], ["healed", 1, 1]);
  assert.equal(await mainOf(world, A), revisionOf("new"));
  assert.equal((await lookAtIndex(world.ports)).state, "sound");
});

test("once a log is known to be behind nobody is answered from it until it is not", async () => {
  const world = await soundWorld();
  await commitTo(world, A, "old");
  const undo = world.app.indexes.snapshot();
  await commitTo(world, A, "new");
  undo();
  let asked = 0;
  world.hooks.onIndex = async (call) => {
    if (call !== "applyMany") return;
    world.hooks.onIndex = () => {};
    asked++;
    await assert.rejects(mainOf(world, A), REBUILDING);
  };
  await lookAtIndex(world.ports);
  assert.equal(asked, 1);
  assert.equal(await mainOf(world, A), revisionOf("new"));
});

test("a writer that died after the commit point is made up for by the next look", async () => {
  const world = await soundWorld();
  blindPatrol(world);
  await commitTo(world, A);
  await commitLost(world, A);
  assert.equal((await lookAtIndex(world.ports)).healedRecords, 1);
  await assertWhole(world, "after a look");
});

test("an index that went back by hours is found out by its own note, by less than all logs", async () => {
  const world = await soundWorld();
  await commitTo(world, A);
  const undo = world.app.indexes.snapshot();
  for (let hour = 0; hour < 20; hour++) {
    world.app.clock.advance(HOUR_MS);
    await lookAtIndex(world.ports);
    if (hour === 0) await commitTo(world, B);
  }
  blindPatrol(world);
  undo();
  const check = await lookAtIndex(world.ports);
  assert.deepEqual([check.state, check.checked, check.healedLogs], ["healed", 3, 1]);
  await assertWhole(world, "after a look");
});

test("an index that went back further than marks are kept, or is empty, or says a time to come, is compared with all logs", async () => {
  const world = await soundWorld();
  const early = world.app.indexes.snapshot();
  for (const id of IDS) await commitTo(world, id);
  world.app.clock.advance(72 * HOUR_MS);
  while ((await dropOldMarks(world.ports)) > 0);
  await lookUntilDone(world);
  const wrongs: Record<string, () => void> = {
    "it is older than the marks": early,
    "it is empty": () => world.app.indexes.wipe(),
    "its note is from a clock that was wrong": () => {
      early();
      world.app.indexes.notes.notes.set("sound", `${world.app.clock.now() + HOUR_MS} 0123456789abcdef`);
    },
    "its note can't be read": () => {
      early();
      world.app.indexes.notes.notes.set("sound", "sound");
    },
  };
  for (const [name, wrong] of Object.entries(wrongs)) {
    wrong();
    assert.equal((await lookAtIndex(world.ports)).state, "rebuilding", name);
    const check = await lookUntilDone(world);
    await assertWhole(world, name);
    assert.equal(check.soundMs, world.app.clock.now(), name);
  }
});

test("keys that came back one by one, with the newest note, are found by the patrol", async () => {
  const world = await soundWorld();
  await commitTo(world, A);
  const undo = world.app.indexes.snapshot();
  await commitTo(world, A);
  for (let hour = 0; hour < 3; hour++) {
    world.app.clock.advance(HOUR_MS);
    await lookAtIndex(world.ports);
  }
  const note = world.app.indexes.notes.notes.get("sound") ?? "";
  undo();
  world.app.indexes.notes.notes.set("sound", note);
  assert.equal((await lookAtIndex(world.ports)).healedRecords, 1);
  await assertWhole(world, "after a look");
});

test("a damaged log is named, and the others are caught up", async () => {
  const world = await soundWorld();
  for (const id of IDS) await commitTo(world, id);
  const undo = world.app.indexes.snapshot();
  for (const id of IDS) for (let at = 0; at < 2; at++) await commitTo(world, id);
  undo();
  await world.app.stores.home.bucket.put(`repositories/${A}/log/000000000002.json`, new TextEncoder().encode("{}"));
  const fresh = { ...world.ports, cache: { get: () => undefined, set: () => {} } };
  const check = await lookAtIndex(fresh);
  assert.deepEqual([check.healedLogs, check.damaged.length], [2, 1]);
  assert.match(check.damaged[0] ?? "", new RegExp(A));
  await assert.rejects(mainOf(world, A), REBUILDING);
  assert.equal((await world.app.indexes.repositories.refs(B)).seq, 3);
});

test("a bucket that lost a record which the index knows takes no further one", async () => {
  const world = await soundWorld();
  await commitTo(world, A);
  await commitTo(world, A);
  await world.app.stores.home.bucket.delete([`repositories/${A}/log/000000000002.json`]);
  await assert.rejects(commitTo(world, A), { code: "LOG_DAMAGED" });
  assert.match((await lookAtIndex(world.ports)).damaged.join() || "none", /none|missing/);
});

test("marks stand before their records, and go after two days", async () => {
  const world = await soundWorld();
  world.hooks.onBucket = (call, key) => {
    if (call === "create" && key.startsWith("repositories/")) throw new Error("the writer died");
  };
  await assert.rejects(commitTo(world, A), /died/);
  world.hooks.onBucket = () => {};
  const marks = async () => (await world.app.stores.home.bucket.list("recent/")).objects.length;
  assert.equal(await marks(), 1);
  assert.equal((await lookAtIndex(world.ports)).state, "sound");
  world.app.clock.advance(47 * HOUR_MS);
  assert.equal(await dropOldMarks(world.ports), 0);
  world.app.clock.advance(2 * HOUR_MS);
  assert.equal(await dropOldMarks(world.ports), 1);
  assert.equal(await marks(), 0);
});

test("at whichever call of a look the index goes back, the note does not move past what was lost", async () => {
  let calls = 0;
  for (let backAt = 0; backAt <= calls; backAt++) {
    const world = await soundWorld();
    blindPatrol(world);
    const undo = world.app.indexes.snapshot();
    await commitTo(world, A);
    world.app.clock.advance(20 * MINUTE_MS);
    calls = 0;
    world.hooks.onIndex = () => {
      if (calls++ === backAt) undo();
    };
    await lookAtIndex(world.ports);
    world.hooks.onIndex = () => {};
    await lookAtIndex(world.ports);
    await assertWhole(world, `when it went back at call ${backAt}`);
  }
  assert.ok(calls > 4, `${calls} calls`);
});

test("a writer whose clock is five minutes slow, and who takes two more for its record, is not missed", async () => {
  const world = await soundWorld();
  blindPatrol(world);
  const undo = world.app.indexes.snapshot();
  const slow = { ...world.ports, clock: { now: () => world.app.clock.now() - 5 * MINUTE_MS } };
  world.hooks.onBucket = (call) => {
    if (call === "create") world.app.clock.advance(2 * MINUTE_MS);
  };
  await commitTo({ ...world, ports: slow }, A);
  world.hooks.onBucket = () => {};
  undo();
  assert.equal((await lookAtIndex(world.ports)).healedRecords, 1);
  await assertWhole(world, "after a look");
});

type Step =
  | { kind: "commit" | "die"; log: number }
  | { kind: "wait"; minutes: number }
  | { kind: "look"; backAt: number | null; to: number }
  | { kind: "back"; to: number };

const log = fc.nat(IDS.length - 1);
const to = fc.nat(1_000);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("commit" as const), log }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("die" as const), log }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("wait" as const), minutes: fc.integer({ min: 1, max: 40 }) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("look" as const), backAt: fc.constant(null), to }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("look" as const), backAt: fc.nat(12), to }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("back" as const), to }) },
);

/** Runs the steps; every look that nothing disturbed must leave everything whole, by marks alone. Returns how often the index went back. */
async function run(steps: readonly Step[]): Promise<number> {
  const world = await soundWorld();
  blindPatrol(world);
  const moments = [world.app.indexes.snapshot()];
  let backs = 0;
  const goBack = (to: number) => {
    moments[to % moments.length]?.();
    backs++;
  };
  for (const [at, step] of steps.entries()) {
    if (step.kind === "wait") world.app.clock.advance(step.minutes * MINUTE_MS);
    else if (step.kind === "back") goBack(step.to);
    else if (step.kind === "look") await disturbedLook(world, step, goBack, `after step ${at}`);
    else if (step.kind === "die") await commitLost(world, IDS[step.log] ?? A);
    else await commitTo(world, IDS[step.log] ?? A);
    moments.push(world.app.indexes.snapshot());
  }
  await lookUntilDone(world);
  await assertWhole(world, "at the end");
  return backs;
}

async function disturbedLook(
  world: RecoveryWorld,
  { backAt, to }: Extract<Step, { kind: "look" }>,
  goBack: (to: number) => void,
  when: string,
): Promise<void> {
  let calls = 0;
  let disturbed = false;
  world.hooks.onIndex = () => {
    if (calls++ !== backAt) return;
    disturbed = true;
    goBack(to);
  };
  const check = await lookAtIndex(world.ports);
  world.hooks.onIndex = () => {};
  if (!disturbed && check.state !== "rebuilding" && check.state !== "busy") await assertWhole(world, when);
}

test("whenever and however far the index goes back, also in the middle of a look, the next look makes up for all of it", async (t) => {
  let [backs, runs] = [0, 0];
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 25 }), async (steps) => {
      backs += await run(steps);
      runs++;
    }),
    { numRuns: 150 },
  );
  assert.ok(backs > runs);
  t.diagnostic(`${runs} runs, the index went back ${backs} times, 0 looks left a log behind`);
});
