/** Looking after a deployment: stores, the index, fsck, collection. */
import assert from "node:assert/strict";
import { ROUTES, type RouteName, type RouteSpec } from "../../../shared/contract/routes.ts";
import type { Guarantees } from "./api.ts";

const STEPS_MAX = 60;

const READS = (Object.entries(ROUTES) as [RouteName, RouteSpec][]).filter(
  ([, { method, path }]) => method === "GET" && !path.includes(":"),
);

export const OPERATIONS: Guarantees = {
  "every list and every state of the deployment is there to be read, in the form that the contract says": async (world) => {
    assert.ok(READS.length > 20);
    // The client parses each answer by its row.
    for (const [name] of READS) await world.admin.call(name, {} as never);
  },

  "a store is probed and set up, and what is proven is listed": async (world) => {
    const params = { store: "home" };
    const probe = await world.admin.call("probeStore", { params });
    assert.ok(probe.createOnly && probe.modes.length > 0);
    assert.equal((await world.admin.call("setupStore", { params })).store, "home");
    const { stores } = await world.admin.call("listStores", {});
    assert.deepEqual(
      stores.map(({ id, home, probe: proven }) => [id, home, proven?.modes.length !== 0]),
      [
        ["home", true, true],
        ["west", false, true],
      ],
    );
  },

  "the index is what the bucket says, and a rebuild has nothing to do": async (world) => {
    assert.ok(["sound", "healed", "rebuilding"].includes((await world.admin.call("checkIndex", {})).state));
    let { run } = await world.admin.call("startRebuild", {});
    for (let step = 0; run?.phase !== "done"; step++) {
      assert.ok(step < STEPS_MAX, JSON.stringify(run));
      run = (await world.admin.call("stepRebuild", {})).run;
    }
    assert.deepEqual([run.healedRecords, run.damaged], [0, []]);
    assert.equal((await world.admin.call("rebuildStatus", {})).run?.run, run.run);
  },

  "fsck reads every byte and finds nothing wrong": async (world) => {
    let { run } = await world.admin.call("startFsck", { body: { readData: 1 } as never });
    for (let step = 0; run?.endedAtMs === null; step++) {
      assert.ok(step < STEPS_MAX, JSON.stringify(run));
      run = (await world.admin.call("stepFsck", {})).run;
    }
    assert.deepEqual([run?.phase, run?.findings.filter(({ severity }) => severity === "error")], ["done", []]);
    assert.equal((await world.admin.call("fsckStatus", {})).run?.run, run?.run);
    await world.admin.call("startFsck", { body: {} as never });
    assert.equal((await world.admin.call("cancelFsck", {})).run?.phase, "aborted");
  },

  "a collection that is a dry run ends and deletes nothing; another is cancelled": async (world) => {
    let { run } = await world.admin.call("startCollect", { body: { dryRun: true } });
    // The day's own, which the minute's bell began while the suite was at it.
    if (run?.dryRun === false) {
      await world.admin.call("cancelCollect", { params: { run: run.run } });
      ({ run } = await world.admin.call("startCollect", { body: { dryRun: true } }));
    }
    for (let step = 0; run?.endedAtMs === null; step++) {
      assert.ok(step < STEPS_MAX, JSON.stringify(run));
      run = (await world.admin.call("stepCollect", {})).run;
    }
    assert.deepEqual([run?.phase, run?.missing, run?.deleted], ["done", 0, 0]);
    assert.equal((await world.admin.call("collectStatus", {})).run?.run, run?.run);
    const begun = await world.admin.call("startCollect", { body: { dryRun: true } });
    const cancelled = await world.admin.call("cancelCollect", { params: { run: begun.run?.run ?? "" } });
    assert.equal(cancelled.run?.phase, "aborted");
  },
};
