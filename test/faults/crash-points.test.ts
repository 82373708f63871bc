/**
 * F2, F5 and F15 of reference/safety.md §6 on real parts: the app, on workerd and on Node, with local R2 and with a real Ceph, is killed with
 * SIGKILL at calls that it makes to the store and to Redis while it commits, tags, purges, collects and rebuilds a Redis that was wiped. Each act is asked for again until it is answered.
 * FERRY_CRASHES=N kills N times in each act; without, few times, at calls spread over all. (On memory ports every call is tried:
 * test/unit/registry/crash-points.test.ts.)
 */
import assert from "node:assert/strict";
import { after, before, describe, type TestContext, test } from "node:test";
import type { CollectRun } from "../../shared/contract/collect.ts";
import type { RepositoryName } from "../../shared/names.ts";
import { type Ceph, startCeph, whyNoCeph } from "../support/ceph.ts";
import { type CrashHow, type CrashStand, persistently, startCrashStand } from "../support/crash-stand.ts";
import { type Acknowledged, judgeCrowd } from "../support/crowd.ts";
import { diffWithRebuilt } from "../support/index-diff.ts";
import { operationId, repositoryName } from "../support/memory-app.ts";
import { Pusher } from "../support/pusher.ts";
import { listKeys } from "../support/s3-keys.ts";
import { whyNoRedis } from "../support/stack.ts";

const CRASHES = Number(process.env["FERRY_CRASHES"] ?? 0);
/** `kills`: of the quick set, for a process takes seconds to come back. `acts`: those that ask most of a store, where not all are tried. */
const GROUNDS = [
  { name: "node", runtime: "node", kills: 3 },
  { name: "workerd", runtime: "workerd", kills: 1 },
  { name: "node with a real Ceph", runtime: "node", kills: 1, isCeph: true, acts: ["commit", "collect", "rebuild"] },
] as const;
/** Garbage at once; what is pending is kept, as the protocol needs it to be. */
const MARGINS = { chunkAgeMs: 0, intentWaitMs: 0, skewMs: 1_500, shareMax: 1 };
const REPOSITORY = repositoryName("crash/model");

/** An act that is prepared, done under fire, and then says how many records it should have made. */
type Act = { name: string; records: number; prepare: (ground: Ground) => Promise<() => Promise<void>> };
type Ground = { stand: CrashStand; pusher: Pusher; acknowledged: Acknowledged[]; round: number; collected: { deleted: number } };

const ACTS: Act[] = [
  { name: "commit", records: 1, prepare: prepareCommit },
  {
    name: "tag",
    records: 1,
    prepare: async ({ stand, round }) => {
      const body = { ref: "main", operationId: operationId() };
      return async () => void (await persistently(() => stand.client.call("setTag", of({ tag: `t${round}` }, body))));
    },
  },
  {
    name: "purge",
    records: 1,
    prepare: async (ground) => {
      const body = await trashed(ground);
      return async () => void (await persistently(() => ground.stand.client.call("purgeRevisions", { repository: REPOSITORY, body })));
    },
  },
  {
    name: "collect",
    records: 0,
    prepare: async (ground) => {
      const body = await trashed(ground);
      await ground.stand.client.call("purgeRevisions", { repository: REPOSITORY, body });
      return async () => {
        ground.collected.deleted += (await collect(ground.stand)).deleted;
      };
    },
  },
  {
    name: "rebuild",
    records: 0,
    prepare: async ({ stand }) => {
      await stand.raw.flushall();
      return () => rebuild(stand);
    },
  },
];

for (const { name, runtime, kills, ...rest } of GROUNDS) {
  const isCeph = "isCeph" in rest;
  describe(`the app on ${name} is killed at calls to the store and to Redis`, { skip: whyNoRedis() || (isCeph && whyNoCeph()) }, () => {
    const ground = { acknowledged: [] as Acknowledged[], round: 0, collected: { deleted: 0 } };
    let ceph: Ceph | { reason: string } | null = null;
    let stand: CrashStand;
    before(async () => {
      ceph = isCeph ? await startCeph() : null;
      if (ceph !== null && "reason" in ceph) return;
      const home = ceph === null ? {} : { home: await ceph.makeStore("home") };
      stand = await startCrashStand({ runtime, vars: { COLLECT_MARGINS: JSON.stringify(MARGINS) }, ...home });
      await new Pusher(stand.client, fetch as never).create(REPOSITORY);
    });
    after(async () => {
      await stand?.stop();
      if (ceph !== null && !("reason" in ceph)) await ceph.stop();
    });
    const whyNot = () => (ceph !== null && "reason" in ceph ? ceph.reason : null);

    for (const act of "acts" in rest ? ACTS.filter((one) => rest.acts.some((each) => each === one.name)) : ACTS) {
      test(`F2: ${act.name}, killed and asked for again, happens once and whole`, { timeout: 120_000 + CRASHES * 20_000 }, async (t) => {
        const reason = whyNot();
        if (reason !== null) return t.skip(reason);
        const pusher = new Pusher(stand.client, fetch as never);
        await everyDeath(t, { kills, act, ground: Object.assign(ground, { stand, pusher }) });
      });
    }

    test("F2, F15: afterwards nothing is lost, torn or doubled, the index is what the bucket says, and two cycles leave no orphan", {
      timeout: 60_000,
    }, async (t) => {
      const reason = whyNot();
      if (reason !== null) return t.skip(reason);
      for (let cycle = 0; cycle < 2; cycle++) await collect(stand);
      const last = await collect(stand, true);
      const acknowledged = new Map<RepositoryName, Acknowledged[]>([[REPOSITORY, ground.acknowledged]]);
      const { revisions, lost, torn, doubled } = await judgeCrowd(stand.live, { acknowledged, failures: 0, longestMs: 0 });
      const { differences } = await diffWithRebuilt({ stack: stand.live.stack });
      t.diagnostic(
        `${revisions} revisions acknowledged: lost ${lost}, torn ${torn}, doubled ${doubled}; ${ground.collected.deleted} chunks deleted, ` +
          `chunks missing ${last.missing}, orphans ${last.garbage}; ${differences.length} differences in the index`,
      );
      assert.deepEqual([lost, torn, doubled, last.missing, last.garbage, differences], [0, 0, 0, 0, 0, []]);
      assert.ok(ground.collected.deleted > 0);
    });
  });
}

/** Prepares and does the act again and again, with a death one call later each time, until it lives to its end. */
async function everyDeath(t: TestContext, { kills: quick, act, ground }: { kills: number; act: Act; ground: Ground }): Promise<void> {
  let [calls, kills] = [0, 0];
  const counted = await act.prepare(ground);
  calls = await callsOf(ground, act, counted);
  const points = spread(calls, CRASHES > 0 ? CRASHES : quick);
  for (const { at, how } of points) {
    ground.round++;
    const work = await act.prepare(ground);
    const before = await recordsOf(ground);
    if (await ground.stand.dieAt(at, how, work)) kills++;
    assert.equal((await recordsOf(ground)) - before, act.records, `${act.name}: ${how} at call ${at}`);
  }
  t.diagnostic(`${act.name}: ${calls} calls; killed ${kills} times at ${points.length} points, done once each time`);
  assert.ok(kills > 0, "deaths came");
}

async function callsOf({ stand }: Ground, { name }: Act, work: () => Promise<void>): Promise<number> {
  const calls = await stand.countCalls(work);
  assert.ok(calls > 1, `${name} makes ${calls} calls`);
  return calls;
}

/** From the first call to the last, both ways: those around the commit point are near the end. */
function spread(calls: number, count: number): { at: number; how: CrashHow }[] {
  return Array.from({ length: count }, (_, n) => ({
    at: Math.floor(((calls - 1) * (n + 0.5)) / count),
    how: n % 2 === 0 ? ("applied" as const) : ("seen" as const),
  }));
}

async function prepareCommit({ stand, pusher, acknowledged, round }: Ground): Promise<() => Promise<void>> {
  const message = `commit ${acknowledged.length} of round ${round}`;
  const files = { own: message, common: `common ${round % 3}` };
  const { upload, parent } = await pusher.open(REPOSITORY);
  const reservation = await pusher.reserve(REPOSITORY, upload, files);
  await pusher.send(reservation, files);
  await pusher.confirm(REPOSITORY, upload, reservation);
  const operation = operationId();
  return async () => {
    const revision = await persistently(() => pusher.commit(REPOSITORY, upload, files, { parent, message, operationId: operation }));
    acknowledged.push({ revision: revision.revision, seq: revision.seq, files, message });
    const { revisions } = await stand.client.call("listRevisions", { repository: REPOSITORY, query: { limit: "1" } });
    assert.equal(revisions[0]?.revision, revision.revision);
  };
}

/** A revision in the trash that nobody needs, and what purges it. */
async function trashed({ stand, pusher, round }: Ground) {
  const { revision } = await pusher.push(REPOSITORY, { own: `garbage ${round} ${operationId()}` });
  await pusher.push(REPOSITORY, { own: `kept ${round} ${operationId()}` });
  const revisions = [revision.revision];
  await stand.client.call("trashRevisions", { repository: REPOSITORY, body: { revisions, operationId: operationId() } });
  return { revisions, now: true, operationId: operationId() };
}

const of = <B>(params: { tag: string }, body: B) => ({ repository: REPOSITORY, params, body });

async function collect({ client, endLeases }: CrashStand, dryRun = false): Promise<CollectRun> {
  let { run } = await persistently(() => client.call("startCollect", { body: { dryRun } }));
  for (let steps = 0; run === null || (run.phase !== "done" && run.phase !== "aborted"); steps++) {
    assert.ok(steps < 500, `${run?.phase}`);
    const answer = await persistently(() => client.call("stepCollect", {}));
    if (answer.busy) await endLeases();
    // The start itself may have been what was killed.
    run = answer.run ?? (await persistently(() => client.call("startCollect", { body: { dryRun } }))).run;
  }
  assert.equal(run.phase, "done", run.problem ?? "");
  return run;
}

async function rebuild({ client, endLeases }: CrashStand): Promise<void> {
  let { run } = await persistently(() => client.call("startRebuild", {}));
  for (let steps = 0; run?.phase !== "done"; steps++) {
    assert.ok(steps < 500, `${run?.phase}`);
    await endLeases();
    run = (await persistently(() => client.call("stepRebuild", {}))).run ?? (await persistently(() => client.call("startRebuild", {}))).run;
  }
}

async function recordsOf({ stand }: Ground): Promise<number> {
  const [home] = stand.live.stack.stores;
  if (home === undefined) throw new Error("no home store");
  return (await listKeys(home, "repositories/")).filter((key) => key.includes("/log/")).length;
}
