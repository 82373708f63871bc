/**
 * F2, F15 and F36 of reference/safety.md §6 on memory ports, where every point can be tried: the process dies at each call that an act makes,
 * before it and after it, and the act is asked for again; and acts of two processes run in orders that fast-check chooses, with a death.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Margins } from "../../../functions/registry/collect/margins.ts";
import { CHUNK_PREFIX, chunkKey, ENVELOPE_PREFIX } from "../../../functions/registry/layout.ts";
import { listAll } from "../../../functions/registry/listing.ts";
import { decodeRecord, Envelope } from "../../../functions/registry/records.ts";
import { FerryError } from "../../../shared/errors.ts";
import type { RevisionId } from "../../../shared/names.ts";
import { operationId, refName } from "../../support/memory-app.ts";
import { type DeathHow, Gate, mortal } from "../../support/mortal.ts";
import type { Files } from "../../support/pusher.ts";
import { calls, codeOf, MODEL, makeWorld, missingChunks, readWhole, records, type World } from "./lifecycle-world.ts";

const MINUTE_MS = 60_000;
const EAGER = Margins.parse({ chunkAgeMs: 0, intentWaitMs: 0, skewMs: 0, shareMax: 1 });

type Mortal = World & { gate: Gate };

async function mortalWorld(gate = new Gate()): Promise<Mortal> {
  const world = await makeWorld({ decorate: (ports) => mortal({ ...ports, margins: EAGER }, gate) });
  return { ...world, gate };
}

/** As clients do: what got no answer is asked for again, of the process that comes next. */
async function persistently<T>({ gate, app }: Mortal, act: () => Promise<T>): Promise<T> {
  for (let tries = 0; ; tries++) {
    try {
      return await act();
    } catch (error) {
      if (!(error instanceof FerryError) || !error.retryable || tries > 20) throw error;
      if (!gate.isDead) continue;
      gate.revive();
      // The dead process's leases run out.
      app.clock.advance(2 * MINUTE_MS);
    }
  }
}

/** `records`: how many the act adds to the logs. */
type Act = { records: number; prepare: (world: Mortal, round: number) => Promise<() => Promise<unknown>> };

const ACTS: Record<string, Act> = {
  commit: {
    records: 1,
    prepare: async ({ pusher, admin }, round) => {
      const files = filesOf(round);
      const { upload, parent } = await pusher.open(MODEL);
      const reservation = await pusher.reserve(MODEL, upload, files);
      await pusher.send(reservation, files);
      await pusher.confirm(MODEL, upload, reservation);
      const options = { parent, operationId: operationId(), message: `commit ${round}` };
      return async () => {
        const { revision } = await pusher.commit(MODEL, upload, files, options);
        assert.equal((await admin.call("resolve", { repository: MODEL, params: { ref: "main" } })).revision, revision);
      };
    },
  },
  tag: {
    records: 1,
    prepare: async ({ admin }) => {
      const body = { ref: "main", operationId: operationId() };
      return () => admin.call("setTag", { repository: MODEL, params: { tag: body.operationId }, body });
    },
  },
  clone: {
    records: 1,
    prepare: async ({ admin }) => {
      const body = { from: MODEL, ref: "main", branch: refName(operationId()), operationId: operationId() };
      return () => admin.call("clone", { repository: MODEL, body });
    },
  },
  trash: {
    records: 1,
    prepare: async (world, round) => {
      const body = { revisions: [await oldOne(world, round)], operationId: operationId() };
      return () => world.admin.call("trashRevisions", { repository: MODEL, body });
    },
  },
  purge: {
    records: 1,
    prepare: async (world, round) => {
      const revisions = [await oldOne(world, round)];
      await calls.trash(world, revisions);
      const body = { revisions, now: true, operationId: operationId() };
      return () => world.admin.call("purgeRevisions", { repository: MODEL, body });
    },
  },
  collect: {
    records: 0,
    prepare: async (world, round) => {
      const revisions = [await oldOne(world, round)];
      await calls.trash(world, revisions);
      await calls.purge(world, revisions, true);
      world.app.clock.advance(1);
      return () => cycle(world);
    },
  },
  rebuild: {
    records: 0,
    prepare: async (world) => {
      world.app.indexes.wipe();
      return async () => {
        let { run } = await persistently(world, () => world.admin.call("startRebuild", {}));
        while (run?.phase !== "done") {
          run = (await persistently(world, () => world.admin.call("stepRebuild", {}))).run;
          run ??= (await persistently(world, () => world.admin.call("startRebuild", {}))).run;
        }
      };
    },
  },
};

const filesOf = (round: number): Files => ({ own: `own ${round}`, common: `common ${round % 3}` });

/** A revision that can be deleted: it is not the head any more. */
async function oldOne({ push }: Mortal, round: number): Promise<RevisionId> {
  const old = await push({ own: `old ${round}` });
  await push({ own: `newer ${round}` });
  return old;
}

async function cycle(world: Mortal): Promise<void> {
  const start = () => persistently(world, () => world.admin.call("startCollect", { body: { dryRun: false } }));
  let { run } = await start();
  while (run === null || (run.phase !== "done" && run.phase !== "aborted")) {
    const answer = await persistently(world, () => world.admin.call("stepCollect", {}));
    if (answer.busy) world.app.clock.advance(MINUTE_MS);
    run = answer.run ?? (await start()).run;
  }
  assert.equal(run.phase, "done", run.problem ?? "");
}

type Death = { name: string; act: Act; at: number; how: DeathHow; round: number };
const FRESH = 6;

for (const [name, act] of Object.entries(ACTS)) {
  test(`F2, F15: ${name}, with a death at every call, before and after it: done once, whole, no orphan after two cycles`, {
    timeout: 120_000,
  }, async (t) => {
    let [deaths, calls, lived] = [0, 0, false];
    while (!lived) {
      // Anew every few deaths: logs that grow would make the last rounds slower than the first.
      const world = await mortalWorld();
      await world.push({ first: "first" });
      for (const end = calls + FRESH; calls < end && !lived; calls++) {
        for (const how of ["seen", "applied"] as const) {
          lived = !(await dieOnce(world, { name, act, at: calls, how, round: deaths }));
          if (!lived) deaths++;
        }
      }
      await tidy(world);
      await assertSound(world, name);
    }
    t.diagnostic(`${name}: ${calls - 1} calls, ${deaths} deaths, records lost 0, doubled 0, chunks missing 0, orphans 0`);
    assert.ok(deaths > 10);
  });
}

/** Whether the process died: false when the act needed fewer calls. */
async function dieOnce(world: Mortal, { name, act, at, how, round }: Death): Promise<boolean> {
  const { gate, app } = world;
  const work = await act.prepare(world, round);
  const before = (await records(world)).length;
  gate.revive();
  Object.assign(gate, { at, how });
  await persistently(world, work);
  // Whoever revived it took the order back.
  const died = gate.isDead || gate.at === null;
  gate.revive();
  app.clock.advance(2 * MINUTE_MS);
  assert.equal((await records(world)).length - before, act.records, `${name}: ${how} at call ${at}`);
  return died;
}

/** Two quiet cycles, long after everything that might still be committed. */
async function tidy(world: Mortal): Promise<void> {
  world.app.clock.advance(5 * 24 * 60 * MINUTE_MS);
  for (let quiet = 0; quiet < 2; quiet++) await cycle(world);
}

async function assertSound(world: Mortal, said: string): Promise<void> {
  const { bucket } = world.app.stores.home;
  assert.deepEqual(await missingChunks(world), [], said);
  for (const revision of await allRevisions(world)) await readWhole(world, MODEL, revision);
  const named = new Set<string>();
  for (const { key } of await listAll(bucket, ENVELOPE_PREFIX)) {
    const { placement } = decodeRecord(Envelope, (await bucket.get(key)) ?? new Uint8Array(), key);
    for (const [sha256, , tag] of placement) named.add(chunkKey(sha256, tag));
  }
  const orphans = (await listAll(bucket, CHUNK_PREFIX)).filter(({ key }) => !named.has(key));
  assert.deepEqual(orphans, [], `${said}: orphans`);
}

async function allRevisions({ admin }: Mortal): Promise<RevisionId[]> {
  const revisions: RevisionId[] = [];
  for (let cursor: string | null | undefined; cursor !== null; ) {
    const page = await admin.call("listRevisions", {
      repository: MODEL,
      query: { limit: 1000, ...(cursor === undefined ? {} : { cursor }) },
    });
    revisions.push(...page.revisions.filter(({ deletedAt }) => deletedAt === null).map(({ revision }) => revision));
    cursor = page.next;
  }
  return revisions;
}

const ORDERS = Number(process.env["FERRY_ORDERS"] ?? 30);

test(`F36: ${ORDERS} orders of two pushers, a tagger, a purge and a collector, with a death: nothing acknowledged is lost or doubled`, {
  timeout: 60_000 + ORDERS * 1_000,
}, async (t) => {
  let [orders, deaths, refused] = [0, 0, 0];
  await fc.assert(
    fc.asyncProperty(fc.scheduler(), fc.nat(120), fc.boolean(), async (scheduler, at, isSeen) => {
      const world = await mortalWorld();
      const old = await world.push({ shared: "shared", own: "old" });
      await world.push({ shared: "shared", own: "newer" });
      const { gate } = world;
      gate.revive();
      Object.assign(gate, { at, how: isSeen ? "seen" : "applied", turn: (call: string) => scheduler.schedule(Promise.resolve(), call) });
      const acknowledged: { revision: RevisionId; files: Files }[] = [];
      const acts = [
        pushUntilTaken(world, { shared: "shared", own: "left" }, acknowledged),
        pushUntilTaken(world, { shared: "shared", own: "old" }, acknowledged),
        persistently(world, () => calls.tag(world, "v1", "main", { force: true })),
        purgeUntilDone(world, old).then(() => cycle(world)),
      ];
      const codes = await scheduler.waitFor(Promise.all(acts.map((act) => codeOf(act))));
      deaths += gate.at === null ? 1 : 0;
      gate.turn = async () => {};
      gate.revive();
      refused += codes.filter((code) => code !== "OK").length;
      assert.deepEqual(
        [...new Set(codes)].filter((code) => code !== "OK"),
        [],
        codes.join(),
      );
      world.app.clock.advance(2 * MINUTE_MS);
      for (const { revision, files } of acknowledged) assert.deepEqual(await readWhole(world, MODEL, revision), files);
      assert.equal((await allRevisions(world)).length, 1 + acknowledged.length);
      await tidy(world);
      await assertSound(world, "an order");
      orders++;
    }),
    { numRuns: ORDERS },
  );
  t.diagnostic(`${orders} orders, ${deaths} with a death, lost 0, doubled 0, ${refused} refused`);
});

/** As the engine does: another head is built on, what is unproven is sent again under the attempt that is named. */
async function pushUntilTaken(world: Mortal, files: Files, acknowledged: { revision: RevisionId; files: Files }[]): Promise<void> {
  const { pusher } = world;
  for (;;) {
    const { upload, parent } = await persistently(world, () => pusher.open(MODEL));
    const operation = operationId();
    for (let attempt = 1; ; ) {
      await persistently(world, async () => {
        const reservation = await pusher.reserve(MODEL, upload, files, attempt);
        await pusher.send(reservation, files);
        await pusher.confirm(MODEL, upload, reservation, attempt);
      });
      const options = { parent, attempt, operationId: operation };
      const outcome = await persistently(world, () => pusher.commit(MODEL, upload, files, options)).catch((error: unknown) => error);
      if (!(outcome instanceof Error)) {
        acknowledged.push({ revision: (outcome as { revision: RevisionId }).revision, files });
        return;
      }
      if (!(outcome instanceof FerryError)) throw outcome;
      if (outcome.code === "BRANCH_MOVED") break;
      if (outcome.code !== "CHUNK_UNPROVEN") throw outcome;
      attempt = Number(outcome.details["attempt"]);
    }
  }
}

async function purgeUntilDone(world: Mortal, old: RevisionId): Promise<void> {
  const trash = { revisions: [old], operationId: operationId() };
  const purge = { revisions: [old], now: true, operationId: operationId() };
  await persistently(world, () => world.admin.call("trashRevisions", { repository: MODEL, body: trash }));
  await persistently(world, () => world.admin.call("purgeRevisions", { repository: MODEL, body: purge }));
}
