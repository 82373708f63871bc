/** A follower serves what is whole in its store and writes nothing; promoted, it is home, and the old home writes no more. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { onMinute } from "../../../functions/jobs/cron.ts";
import { lookAtIndex } from "../../../functions/registry/recovery/beat.ts";
import { type MemoryApp, memoryApp, operationId } from "../../support/memory-app.ts";
import { type Files, Pusher } from "../../support/pusher.ts";
import { addPolicy, assertReadable, MODEL, type ReplicaWorld, replicaWorld, ring } from "../../support/replica-world.ts";

const FILES: Files = { a: "aaaa", b: "bbbb" };
const LATER: Files = { a: "aaaa", b: "BBBB" };

/** Another deployment whose home is the replica store of the first. */
async function followerOf({ app }: ReplicaWorld, follower = true): Promise<ReplicaWorld> {
  const [west, home] = [app.stores.get("west"), app.stores.home];
  const stores = { home: west, all: () => [west, home], get: (id: string) => app.stores.get(id) };
  const other = await memoryApp({ follower, sleep: async () => {}, decorate: (ports) => ({ ...ports, stores }) });
  other.clock.advance(app.clock.now() - other.clock.now());
  const seen: MemoryApp = { ...other, stores: app.stores };
  return { app: seen, pusher: new Pusher(other.admin, app.stores.fetch) };
}

async function replicated(): Promise<ReplicaWorld> {
  const world = await replicaWorld();
  await addPolicy(world, "releases", ["west"], { refs: "release-*" });
  await world.pusher.push(MODEL, FILES);
  await world.app.admin.call("setTag", {
    repository: MODEL,
    params: { tag: "release-1" },
    body: { ref: "main", operationId: operationId() },
  });
  await ring(world, 6);
  return world;
}

test("a follower serves replicas by the log that is in its store, and of a branch the newest that is whole", async () => {
  const world = await replicated();
  const newer = await world.pusher.push(MODEL, LATER);
  await ring(world, 6);
  const follower = await followerOf(world);
  await assertReadable(follower, "release-1", FILES, {});
  await assertReadable(follower, "main", FILES, {});
  const { manifest } = await follower.app.admin.call("manifest", { repository: MODEL, params: { ref: "main" } });
  assert.equal(manifest.files.length, 2);
  await assert.rejects(assertReadable(follower, newer.revision.revision, LATER, {}), { code: "REPLICA_NOT_READY" });
});

test("home is cut off: the follower still serves", async () => {
  const world = await replicated();
  const follower = await followerOf(world);
  const { bucket } = world.app.stores.home;
  for (const name of ["get", "head", "list", "put", "create"] as const)
    bucket[name] = async () => {
      throw new Error("black hole");
    };
  await assertReadable(follower, "release-1", FILES, {});
});

test("a follower writes nothing", async () => {
  const world = await replicated();
  const follower = await followerOf(world);
  await assert.rejects(follower.pusher.push(MODEL, LATER), { code: "FOLLOWER_READ_ONLY" });
  const body = { ref: "main", operationId: operationId() };
  await assert.rejects(follower.app.admin.call("setTag", { repository: MODEL, params: { tag: "v1" }, body }), {
    code: "FOLLOWER_READ_ONLY",
  });
  await assert.rejects(addPolicy(follower, "all", ["home"]), { code: "FOLLOWER_READ_ONLY" });
});

test("promoted it is home: it tells what is lost, writes, and the old home writes no more", async () => {
  const world = await replicated();
  const lost = await world.pusher.push(MODEL, LATER);
  // The log comes with the next look, but no policy asks for this revision.
  await ring(world, 6);
  const follower = await followerOf(world);
  const dry = await follower.app.admin.call("promote", { body: { operationId: operationId(), dryRun: true } });
  assert.deepEqual([dry.ready, dry.lost.map(({ revision }) => revision), dry.epoch], [1, [lost.revision.revision], null]);
  const done = await follower.app.admin.call("promote", { body: { operationId: operationId() } });
  assert.deepEqual([done.store, done.epoch, done.lost.length], ["west", 1, 1]);
  await follower.pusher.push(MODEL, { c: "cccc" }, { parent: lost.revision.revision });
  await assertReadable(follower, "main", { c: "cccc" }, {});
  await assertReadable(follower, "release-1", FILES, {});
  // The old home's bell finds the record in its own log.
  await lookAtIndex(world.app.ports);
  await assert.rejects(world.pusher.push(MODEL, { d: "dddd" }), { code: "FOLLOWER_READ_ONLY" });
  await ring(world, 6);
});

test("nobody collects a replica by the log: no follower, and no deployment whose settings call it home", async () => {
  const world = await replicated();
  const follower = await followerOf(world);
  const start = ({ app }: ReplicaWorld) => app.admin.call("startCollect", { body: { dryRun: false } });
  await assert.rejects(start(follower), { code: "FOLLOWER_READ_ONLY" });
  const mistaken = await followerOf(world, false);
  await assert.rejects(start(mistaken), { code: "COLLECT_REFUSED" });
  for (const { services } of [follower.app, mistaken.app]) await onMinute(services);
  const { objects } = await world.app.stores.get("west").bucket.list("collect/");
  assert.deepEqual(objects, []);
});

test("a promoted store is collected as a home is, and all that is named stays", async () => {
  const world = await replicated();
  const follower = await followerOf(world);
  await follower.app.admin.call("promote", { body: { operationId: operationId() } });
  for (let day = 0; day < 8; day++) {
    follower.app.clock.advance(25 * 3_600_000);
    world.app.clock.advance(25 * 3_600_000);
    for (let minute = 0; minute < 12; minute++) {
      follower.app.clock.advance(1_000_000);
      world.app.clock.advance(1_000_000);
      await onMinute(follower.app.services);
    }
  }
  const { run } = await follower.app.admin.call("collectStatus", {});
  assert.deepEqual([run?.phase, run?.problem, run?.missing], ["done", null, 0]);
  await assertReadable(follower, "release-1", FILES, {});
  await assertReadable(follower, "main", FILES, {});
});

test("a home is not promoted", async () => {
  const world = await replicated();
  await assert.rejects(world.app.admin.call("promote", { body: { operationId: operationId() } }), { code: "REQUEST_INVALID" });
});
