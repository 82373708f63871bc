/** Collection of a replica store: what a marker names stays, whatever else happens; the rest goes in time. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ENVELOPE_PREFIX } from "../../../functions/registry/layout.ts";
import { collectReplicas } from "../../../functions/registry/replicate/bell.ts";
import { FerryError } from "../../../shared/errors.ts";
import { operationId } from "../../support/memory-app.ts";
import type { Files } from "../../support/pusher.ts";
import {
  addPolicy,
  assertReadable,
  chunksIn,
  MODEL,
  markersIn,
  type ReplicaWorld,
  replicaWorld,
  ring,
} from "../../support/replica-world.ts";

const FILES: Files = { a: "aaaa", b: "bbbb" };
const LATER: Files = { a: "aaaa", b: "BBBB" };
const HOUR_MS = 3_600_000;

/** Whole runs of collection in every replica store, a day apart. */
async function collect({ app }: ReplicaWorld, runs = 2): Promise<string[]> {
  const ends: string[] = [];
  for (let at = 0; at < runs; at++) {
    app.clock.advance(25 * HOUR_MS);
    for (let steps = 0; steps < 20; steps++) {
      app.clock.advance(1_000_000);
      const [step] = await collectReplicas(app.ports);
      if (step === undefined || step.phase === "done" || step.phase === "aborted") {
        ends.push(step?.phase ?? "none");
        break;
      }
    }
  }
  return ends;
}

async function tag({ app }: ReplicaWorld, name: string): Promise<void> {
  await app.admin.call("setTag", { repository: MODEL, params: { tag: name }, body: { ref: "main", operationId: operationId() } });
}

test("ready replicas stay, however old they are", async () => {
  const world = await replicaWorld();
  await addPolicy(world, "all", ["west"]);
  await world.pusher.push(MODEL, FILES);
  await ring(world, 6);
  assert.deepEqual(
    await collect(world, 6),
    Array.from({ length: 6 }, () => "done"),
  );
  await assertReadable(world, "main", FILES, { store: "west" });
});

test("a replica that no policy asks for any more is given up, with the chunks that no other one names", async () => {
  const world = await replicaWorld();
  await addPolicy(world, "all", ["west"], { evict: true });
  const first = await world.pusher.push(MODEL, FILES);
  await ring(world, 6);
  await world.pusher.push(MODEL, LATER);
  await ring(world, 12);
  assert.equal((await markersIn(world, "west")).length, 1);
  await assert.rejects(assertReadable(world, first.revision.revision, FILES, { store: "west" }), { code: "REPLICA_NOT_READY" });
  assert.equal((await chunksIn(world, "west")).length, 3, "downloads of it may still be under way");
  await collect(world, 5);
  assert.equal((await chunksIn(world, "west")).length, 2);
  await assertReadable(world, "main", LATER, { store: "west" });
  await assertReadable(world, first.revision.revision, FILES, {});
});

test("a store that agents fill is collected, too; one that does not answer keeps no other from its turn", async () => {
  const world = await replicaWorld(["home", "east", "west"]);
  await addPolicy(world, "all", ["west"], { evict: true });
  await world.pusher.push(MODEL, FILES);
  await ring(world, 6);
  await world.pusher.push(MODEL, LATER);
  await ring(world, 12);
  Object.assign(world.app.stores.get("west").profile, { reach: "agent" });
  world.app.stores.get("east").bucket.list = async () => {
    throw new FerryError("STORAGE_UNAVAILABLE", { store: "east", problem: "no answer" });
  };
  let refused = 0;
  for (let hours = 0; hours < 24 * 6; hours++) {
    world.app.clock.advance(HOUR_MS);
    await assert.rejects(collectReplicas(world.app.ports), { code: "STORAGE_UNAVAILABLE" });
    refused++;
  }
  assert.deepEqual([refused, (await chunksIn(world, "west")).length], [144, 2]);
});

test("what was given up comes again under fresh keys", async () => {
  const world = await replicaWorld();
  await addPolicy(world, "all", ["west"], { evict: true, refs: "release" });
  await world.pusher.push(MODEL, FILES);
  await tag(world, "release");
  await ring(world, 6);
  const keys = await markersIn(world, "west");
  const query = { operationId: operationId() };
  await world.app.admin.call("deleteTag", { repository: MODEL, params: { tag: "release" }, query });
  await ring(world, 12);
  assert.deepEqual(await markersIn(world, "west"), []);
  await collect(world, 5);
  assert.deepEqual(await chunksIn(world, "west"), []);
  await tag(world, "release");
  await ring(world, 6);
  await assertReadable(world, "release", FILES, { store: "west" });
  assert.notDeepEqual(await markersIn(world, "west"), keys);
});

test("given up and wanted again while collection runs: it is whole in the end", async () => {
  const world = await replicaWorld();
  await addPolicy(world, "all", ["west"], { evict: true, refs: "release" });
  await world.pusher.push(MODEL, FILES);
  const query = () => ({ operationId: operationId() });
  for (let turn = 0; turn < 12; turn++) {
    await tag(world, "release");
    await ring(world, 6);
    await assertReadable(world, "release", FILES, { store: "west" });
    await world.app.admin.call("deleteTag", { repository: MODEL, params: { tag: "release" }, query: query() });
    await ring(world, 6);
    assert.deepEqual(await markersIn(world, "west"), []);
    world.app.clock.advance(74 * HOUR_MS);
    // As far as this turn says, and no further: the intent may be out, or the deletes half done.
    for (let steps = 0; steps < turn; steps++) {
      world.app.clock.advance(1_000_000);
      await collectReplicas(world.app.ports);
    }
  }
  await tag(world, "release");
  await ring(world, 6);
  await collect(world, 6);
  await assertReadable(world, "release", FILES, { store: "west" });
});

test("a revision that was purged at home goes from its replicas, too", async () => {
  const world = await replicaWorld();
  await addPolicy(world, "all", ["west"]);
  const first = await world.pusher.push(MODEL, FILES);
  await ring(world, 6);
  await world.pusher.push(MODEL, LATER);
  await ring(world, 6);
  const body = { revisions: [first.revision.revision], operationId: operationId() };
  await world.app.admin.call("trashRevisions", { repository: MODEL, body });
  await world.app.admin.call("purgeRevisions", { repository: MODEL, body: { ...body, now: true, operationId: operationId() } });
  await ring(world, 12);
  assert.equal((await markersIn(world, "west")).length, 1);
  await collect(world, 5);
  assert.equal((await chunksIn(world, "west")).length, 2);
});

test("F16: a listing that leaves envelopes out ends the run: what markers name must be live", async () => {
  const world = await replicaWorld();
  await addPolicy(world, "all", ["west"]);
  await world.pusher.push(MODEL, FILES);
  await ring(world, 6);
  const { bucket } = world.app.stores.get("west");
  const list = bucket.list.bind(bucket);
  bucket.list = async (prefix, options) =>
    prefix === ENVELOPE_PREFIX && options?.limit !== 1 ? { objects: [], more: false } : list(prefix, options);
  // In the first run the chunks are too young to be garbage.
  assert.deepEqual(await collect(world, 3), ["done", "aborted", "aborted"]);
  assert.equal((await chunksIn(world, "west")).length, 2);
});
