import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type Candidate, keptByRules } from "../../../functions/registry/retention-rules.ts";
import type { Retention } from "../../../shared/contract/repositories.ts";
import { RevisionId } from "../../../shared/names.ts";
import { isoTime } from "../../../shared/time.ts";
import { operationId, refName } from "../../support/memory-app.ts";
import { calls, codeOf, DAY_MS, logLength, MODEL, makeWorld, NOWHERE, readWhole, records, type World } from "./lifecycle-world.ts";

/** Revisions 0 to `count - 1`, a day apart, with a loss that falls and rises. */
async function history(count: number): Promise<{ world: World; revisions: RevisionId[] }> {
  const world = await makeWorld();
  const revisions: RevisionId[] = [];
  for (let at = 0; at < count; at++) {
    world.app.clock.advance(DAY_MS);
    const revision = await world.push({ step: `step ${at}` });
    await world.admin.call("setLabels", {
      repository: MODEL,
      params: { ref: revision },
      body: { metrics: { loss: `${Math.abs(at - 4)}.5` }, operationId: operationId() },
    });
    revisions.push(revision);
  }
  return { world, revisions };
}

const run = ({ admin }: World, body: { retention?: Retention; dryRun?: boolean; force?: boolean; operationId?: string } = {}) =>
  admin.call("runRetention", { repository: MODEL, body: { dryRun: false, operationId: operationId(), ...body } as never });

const living = async ({ admin }: World) =>
  (await admin.call("listRevisions", { repository: MODEL, query: {} })).revisions.map(({ revision }) => revision).reverse();

// Two records of the log for each revision: its commit and its metrics.
const RULES: { rules: Retention; keeps: number[] }[] = [
  { rules: { keepLast: 3 }, keeps: [7, 8, 9] },
  { rules: { keepDays: 2 }, keeps: [8, 9] },
  { rules: { keepEvery: 6 }, keeps: [0, 3, 6, 9] },
  { rules: { keepBest: { metric: "loss", count: 2, order: "min" } }, keeps: [4, 5, 9] },
  { rules: { keepBest: { metric: "loss", count: 1, order: "max" } }, keeps: [9] },
  { rules: { keepLast: 1, keepEvery: 10, keepDays: 1, keepBest: { metric: "loss", count: 1, order: "min" } }, keeps: [0, 4, 5, 9] },
];

for (const { rules, keeps } of RULES) {
  test(`retention ${JSON.stringify(rules)} keeps ${keeps.join(", ")} of 10, in a dry run and in a real one`, async () => {
    const { world, revisions } = await history(10);
    const expected = revisions.filter((_, at) => keeps.includes(at));
    const before = await records(world);
    const plan = await run(world, { retention: rules, dryRun: true });
    assert.deepEqual(await records(world), before);
    assert.deepEqual(
      plan.deletes.map(({ revision }) => revision),
      revisions.filter((_, at) => !keeps.includes(at)),
    );
    assert.deepEqual([plan.kept, plan.scanned, plan.more, plan.keptBy.head], [keeps.length, 10, false, 1]);
    assert.deepEqual(await run(world, { retention: rules }), { ...plan, dryRun: false });
    assert.deepEqual(await living(world), expected);
    // What is kept is kept: another run finds nothing more.
    const again = await logLength(world, world.id);
    assert.deepEqual((await run(world, { retention: rules, force: true })).deletes, []);
    assert.equal(await logLength(world, world.id), again);
    // And what went is in the trash, whole.
    const back = plan.deletes[0]?.revision ?? NOWHERE;
    await calls.untrash(world, [back]);
    assert.deepEqual(await readWhole(world, MODEL, back), { step: `step ${revisions.indexOf(back)}` });
  });
}

test("without rules nothing goes; the repository's own rules are used when the run brings none", async () => {
  const { world, revisions } = await history(4);
  assert.deepEqual((await run(world)).deletes, []);
  await world.admin.call("setSettings", {
    repository: MODEL,
    body: { settings: { retention: { keepLast: 2 } }, operationId: operationId() },
  });
  await run(world);
  assert.deepEqual(await living(world), revisions.slice(2));
});

test("heads of branches and tagged revisions stay, whatever the rules", async () => {
  const { world, revisions } = await history(6);
  const branch = refName("side");
  const side = [await world.push({ side: "1" }, { branch }), await world.push({ side: "2" }, { branch })];
  await calls.tag(world, "v1", revisions[1] ?? "");
  const plan = await run(world, { retention: { keepDays: 1 }, force: true });
  assert.deepEqual([plan.keptBy.head, plan.keptBy.tag], [2, 1]);
  const left = await living(world);
  for (const revision of [revisions[1], revisions[5], side[1]]) assert.ok(left.includes(revision ?? ("" as RevisionId)));
});

test("rules that keep nothing, and a metric that no revision has, delete nothing unless told", async () => {
  const { world, revisions } = await history(5);
  world.app.clock.advance(100 * DAY_MS);
  const before = await records(world);
  for (const retention of [
    {},
    { keepDays: 30 },
    { keepBest: { metric: "los", count: 2, order: "min" as const } },
    { keepLast: 2, keepBest: { metric: "los", count: 2, order: "min" as const } },
  ]) {
    for (const dryRun of [true, false]) assert.equal(await codeOf(run(world, { retention, dryRun })), "RETENTION_EMPTY");
  }
  assert.deepEqual(await records(world), before);
  await run(world, { retention: { keepDays: 30 }, force: true });
  assert.deepEqual(await living(world), revisions.slice(4));
});

test("a tag that is set while retention runs keeps its revision, or is told that it came too late", async () => {
  let late = 0;
  for (let round = 0; round < 30; round++) {
    const { world, revisions } = await history(3);
    const [old = "" as RevisionId] = revisions;
    const acts = [() => run(world, { retention: { keepLast: 1 } }), () => calls.tag(world, "v1", old)];
    const [first, second] = (round % 2 === 0 ? acts : acts.reverse()).map((act) => codeOf(act()));
    const codes = [await first, await second];
    if (codes.includes("REVISION_DELETED")) late++;
    else assert.equal((await calls.resolve(world, "v1")).revision, old);
    assert.equal((await living(world)).includes(old), !codes.includes("REVISION_DELETED"));
  }
  assert.ok(late > 0 && late < 30, `${late} of 30 tags came too late`);
});

test("a run that is repeated answers what it deleted, and deletes nothing more", async () => {
  const { world } = await history(6);
  const operation = operationId();
  const first = await run(world, { retention: { keepLast: 2 }, operationId: operation });
  await world.push({ more: "more" });
  const length = await logLength(world, world.id);
  for (const lost of [false, true]) {
    if (lost) world.app.indexes.wipe();
    const again = await run(world, { retention: { keepLast: 2 }, operationId: operation });
    assert.deepEqual(again.deletes, first.deletes);
  }
  assert.equal(await logLength(world, world.id), length);
});

const metric = fc.option(fc.integer({ min: -5, max: 5 }));
const revision = fc.record({ branch: fc.constantFrom("main", "side"), gapSeq: fc.integer({ min: 1, max: 4 }), loss: metric });
const rule = fc.record(
  {
    keepLast: fc.integer({ min: 1, max: 5 }),
    keepEvery: fc.integer({ min: 2, max: 9 }),
    keepDays: fc.integer({ min: 1, max: 9 }),
    keepBest: fc.record({ metric: fc.constant("loss"), count: fc.integer({ min: 1, max: 3 }), order: fc.constantFrom("max", "min") }),
  },
  { requiredKeys: [] },
) as fc.Arbitrary<Retention>;

function candidatesOf(drawn: { branch: string; gapSeq: number; loss: number | null }[]): Candidate[] {
  let seq = 0;
  return drawn
    .map(({ branch, gapSeq, loss }) => {
      seq += gapSeq;
      const metrics: Record<string, string> = loss === null ? {} : { loss: String(loss) };
      return { revision: RevisionId.parse(String(seq).padStart(40, "0")), seq, branch, time: isoTime(seq * DAY_MS), sizeBytes: 1, metrics };
    })
    .reverse();
}

test("property: what rules keep they keep again when the rest is gone, whatever else was deleted, too", () => {
  fc.assert(
    fc.property(fc.array(revision, { maxLength: 60 }), rule, (drawn, rules) => {
      const candidates = candidatesOf(drawn);
      const nowMs = 60 * DAY_MS;
      const kept = keptByRules(candidates, rules, nowMs);
      const left = candidates.filter((candidate) => kept.has(candidate.revision));
      const again = keptByRules(left, rules, nowMs);
      assert.deepEqual([...again.keys()].sort(), [...kept.keys()].sort());
    }),
    { numRuns: 2000 },
  );
});

test("property: keepEvery n leaves no gap of n records or more between kept ones where the history had a revision", () => {
  fc.assert(
    fc.property(fc.array(revision, { maxLength: 60 }), fc.integer({ min: 2, max: 9 }), (drawn, keepEvery) => {
      const candidates = candidatesOf(drawn);
      const kept = keptByRules(candidates, { keepEvery }, 0);
      for (const branch of ["main", "side"]) {
        let last: Candidate | null = null;
        for (const candidate of candidates.filter((one) => one.branch === branch).reverse()) {
          if (kept.has(candidate.revision)) last = candidate;
          assert.ok(last !== null && candidate.seq - last.seq < keepEvery, `${candidate.seq} after ${last?.seq}`);
        }
      }
    }),
    { numRuns: 2000 },
  );
});
