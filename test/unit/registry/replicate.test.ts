/** Replication on memory: what is wanted comes, once, and is never served before it is whole. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { repositoryLogPrefix, SYSTEM_LOG_PREFIX } from "../../../functions/registry/layout.ts";
import { listAll } from "../../../functions/registry/listing.ts";
import { syncRepository } from "../../../functions/registry/replicate/bell.ts";
import type { LeasedTask } from "../../../shared/contract/replication.ts";
import { FerryError } from "../../../shared/errors.ts";
import { downloadUrl, ticketRequest } from "../../../shared/tickets.ts";
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
  settle,
  storeId,
} from "../../support/replica-world.ts";

const FILES: Files = { a: "aaaa", b: "bbbb", c: "cccc", d: "dddd" };
const LATER: Files = { ...FILES, d: "DDDD" };

async function tag({ app }: ReplicaWorld, name: string, ref = "main"): Promise<void> {
  await app.admin.call("setTag", { repository: MODEL, params: { tag: name }, body: { ref, force: true, operationId: operationId() } });
}

async function bytesOf(world: ReplicaWorld, store: string, prefix: string): Promise<Record<string, string>> {
  const { bucket } = world.app.stores.get(store);
  const found: Record<string, string> = {};
  for (const { key } of await listAll(bucket, prefix)) found[key] = Buffer.from((await bucket.get(key)) ?? []).toString();
  return found;
}

test("a commit that a policy matches is whole in its store with no other act, and is read there", async () => {
  const world = await replicaWorld();
  await addPolicy(world, "all", ["west"]);
  await world.pusher.push(MODEL, FILES);
  await settle(world);
  assert.equal((await markersIn(world, "west")).length, 1);
  assert.equal(await assertReadable(world, "main", FILES, { store: "west" }), "west");
  assert.equal(await assertReadable(world, "main", FILES, { near: "west" }), "west");
  assert.equal(await assertReadable(world, "main", FILES, {}), "home");
});

test("revisions that are wanted at once share the chunks that they have in common: each is copied once", async () => {
  const world = await replicaWorld();
  await world.pusher.push(MODEL, FILES);
  await tag(world, "v1");
  await world.pusher.push(MODEL, LATER);
  await tag(world, "v2");
  await settle(world);
  const copied: string[] = [];
  const { chunks } = world.app.stores.get("west");
  const write = chunks.write.bind(chunks);
  chunks.write = (mode, place, body) => {
    copied.push(place.sha256);
    return write(mode, place, body);
  };
  await addPolicy(world, "all", ["west"], { trigger: "tag" });
  await settle(world);
  await ring(world, 2);
  assert.deepEqual([(await markersIn(world, "west")).length, copied.length, (await chunksIn(world, "west")).length], [2, 5, 5]);
  for (const [ref, files] of [
    ["v1", FILES],
    ["v2", LATER],
  ] as const)
    assert.equal(await assertReadable(world, ref, files, { store: "west" }), "west");
});

test("a tag that names a store is a policy of its own; other revisions stay at home", async () => {
  const world = await replicaWorld();
  await world.pusher.push(MODEL, FILES);
  await ring(world, 6);
  assert.deepEqual(await markersIn(world, "west"), []);
  await tag(world, "deploy/west");
  await settle(world);
  assert.equal((await markersIn(world, "west")).length, 1);
});

test("so is a label, also of a revision that no branch or tag names any more", async () => {
  const world = await replicaWorld();
  const first = await world.pusher.push(MODEL, FILES);
  await world.pusher.push(MODEL, LATER);
  await settle(world);
  assert.deepEqual(await markersIn(world, "west"), []);
  const { revision } = first.revision;
  const body = { labels: { "deploy/west": "" }, merge: true, operationId: operationId() };
  await world.app.admin.call("setLabels", { repository: MODEL, params: { ref: revision }, body });
  await settle(world);
  assert.equal((await markersIn(world, "west")).length, 1);
  await assertReadable(world, revision, FILES, { store: "west" });
  const { replicas } = await world.app.admin.call("syncStatus", { query: { repository: MODEL } });
  assert.deepEqual(replicas.find((row) => row.revision === revision)?.stores, [
    { store: storeId("west"), wanted: true, state: "ready", job: null },
  ]);
});

test("of a second version only what is new is copied, and both are served", async () => {
  const world = await replicaWorld();
  await addPolicy(world, "all", ["west"]);
  const first = await world.pusher.push(MODEL, FILES);
  await settle(world);
  await world.pusher.push(MODEL, LATER);
  await settle(world);
  assert.equal((await chunksIn(world, "west")).length, 5);
  await assertReadable(world, "main", LATER, { store: "west" });
  await assertReadable(world, first.revision.revision, FILES, { store: "west" });
});

test("also when the index has forgotten everything", async () => {
  const world = await replicaWorld();
  await addPolicy(world, "all", ["west"]);
  await world.pusher.push(MODEL, FILES);
  await settle(world);
  world.app.indexes.wipe();
  await world.pusher.push(MODEL, LATER);
  await ring(world, 6);
  assert.equal((await chunksIn(world, "west")).length, 5);
  assert.equal((await markersIn(world, "west")).length, 2);
});

test("the logs are there whole, byte for byte", async () => {
  const world = await replicaWorld();
  await addPolicy(world, "all", ["west"]);
  for (let at = 0; at < 40; at++) await world.pusher.push(MODEL, { a: `content ${at}` });
  await ring(world, 6);
  const { id } = await world.app.admin.call("describeRepository", { repository: MODEL });
  for (const prefix of [SYSTEM_LOG_PREFIX, repositoryLogPrefix(id)])
    assert.deepEqual(await bytesOf(world, "west", prefix), await bytesOf(world, "home", prefix));
});

test("no event at all: the bell finds what is missing", async () => {
  const world = await replicaWorld();
  await addPolicy(world, "all", ["west"]);
  world.app.background.length = 0;
  await world.pusher.push(MODEL, FILES);
  // Nobody waits for what the request left to be done: as if it had died.
  world.app.indexes.jobs.stores.clear();
  await world.app.stores.get("west").bucket.delete((await listAll(world.app.stores.get("west").bucket, "")).map(({ key }) => key));
  await ring(world, 6);
  assert.equal((await markersIn(world, "west")).length, 1);
});

test("a store that fails for ten minutes is complete afterwards, without a new event", async () => {
  let down = true;
  const world = await replicaWorld(["home", "west"], {
    decorate: (ports) => {
      const { chunks } = ports.stores.get("west");
      const write = chunks.write.bind(chunks);
      chunks.write = async (...given) => {
        if (down) throw new FerryError("STORAGE_UNAVAILABLE", { store: "west", problem: "503" });
        return write(...given);
      };
      return ports;
    },
  });
  await addPolicy(world, "all", ["west"]);
  await world.pusher.push(MODEL, FILES);
  const steps = await ring(world, 10);
  assert.ok(steps.some(({ problems }) => problems.length > 0));
  assert.deepEqual(await markersIn(world, "west"), []);
  await assert.rejects(assertReadable(world, "main", FILES, { store: "west" }), { code: "REPLICA_NOT_READY" });
  assert.equal(await assertReadable(world, "main", FILES, { near: "west" }), "home");
  down = false;
  await ring(world, 6);
  await assertReadable(world, "main", FILES, { store: "west" });
});

test("a chunk whose content is not what it is called makes no replica", async () => {
  const world = await replicaWorld();
  await world.pusher.push(MODEL, FILES);
  const { bucket } = world.app.stores.home;
  const [chunk] = await listAll(bucket, "chunks/");
  await bucket.put(chunk?.key ?? "", new TextEncoder().encode("xxxx"));
  await addPolicy(world, "all", ["west"]);
  await ring(world, 10);
  assert.deepEqual(await markersIn(world, "west"), []);
  const { jobs } = await world.app.admin.call("syncStatus", {});
  assert.match(jobs[0]?.problem ?? "", /does not have the digest/);
});

test("stores at one endpoint: the store copies by itself what was read and found right at the source, and no byte is carried", async () => {
  const world = await replicaWorld();
  const { home } = world.app.stores;
  const west = world.app.stores.get("west");
  const { endpoint } = west.profile;
  Object.assign(west.profile, { endpoint: home.profile.endpoint });
  west.chunks.write = () => assert.fail("it was carried");
  await world.pusher.push(MODEL, FILES);
  const [chunk] = await listAll(home.bucket, "chunks/");
  const right = await home.bucket.get(chunk?.key ?? "");
  await home.bucket.put(chunk?.key ?? "", new TextEncoder().encode("xxxx"));
  await addPolicy(world, "all", ["west"]);
  await ring(world, 6);
  assert.deepEqual([await markersIn(world, "west"), (await chunksIn(world, "west")).length], [[], 3]);
  await home.bucket.put(chunk?.key ?? "", right ?? new Uint8Array());
  await ring(world, 12);
  // Where it answers in memory.
  Object.assign(west.profile, { endpoint });
  await assertReadable(world, "main", FILES, { store: "west" });
});

test("a third store is filled from a near one that is ready, not from home", async () => {
  const world = await replicaWorld(["home", "west", "east"], {
    decorate: (ports) => {
      for (const id of ["west", "east"]) Object.assign(ports.stores.get(id).profile, { near: ["asia"] });
      return ports;
    },
  });
  await addPolicy(world, "all", ["west"]);
  await world.pusher.push(MODEL, FILES);
  await settle(world);
  let reads = 0;
  const home = world.app.stores.home.chunks;
  const read = home.read.bind(home);
  home.read = async (place) => {
    reads++;
    return read(place);
  };
  await addPolicy(world, "all", ["west", "east"]);
  await ring(world, 6);
  await assertReadable(world, "main", FILES, { store: "east" });
  assert.equal(reads, 0);
});

test("an executor that dies copies again at most what it had in flight", async () => {
  const world = await replicaWorld();
  const { app } = world;
  await world.pusher.push(MODEL, Object.fromEntries(Array.from({ length: 40 }, (_, at) => [`f${at}`, `content ${at}`])));
  let writes = 0;
  const { chunks } = app.stores.get("west");
  const write = chunks.write.bind(chunks);
  chunks.write = async (...given) => {
    if (++writes % 3 === 0 && writes < 60) throw new Error("killed");
    return write(...given);
  };
  await addPolicy(world, "all", ["west"]);
  for (let at = 0; at < 80 && (await markersIn(world, "west")).length === 0; at++) await ring(world);
  assert.equal((await markersIn(world, "west")).length, 1);
  assert.equal((await chunksIn(world, "west")).length, 40);
  // 20 deaths, 6 in flight at each.
  assert.ok(writes <= 40 + 20 * 6, `${writes} writes`);
});

test("two executors never complete one task twice: whose lease has ended is told so", async () => {
  const world = await replicaWorld();
  const { app } = world;
  await world.pusher.push(MODEL, FILES);
  // Nobody copies here: a lease first.
  Object.assign(app.stores.get("west").profile, { reach: "agent" });
  await addPolicy(world, "all", ["west"]);
  await ring(world);
  const lease = () => app.admin.call("leaseTask", { params: { store: "west" }, body: { executor: "one" } });
  const { task: first } = await lease();
  assert.equal((await lease()).task, null, "it is given out");
  app.clock.advance(91_000);
  const { task: second } = await lease();
  assert.ok(first !== null && second !== null && second.task === first.task && second.fence > first.fence);
  const task: LeasedTask = second;
  for (const item of task.tickets.items) {
    const source = task.sources.items.find(({ sha256 }) => sha256 === item.sha256);
    assert.ok(source !== undefined);
    const bytes = await (await app.stores.fetch(downloadUrl(task.sources, source))).arrayBuffer();
    const { url, headers, method } = ticketRequest(task.tickets, item);
    assert.equal((await app.stores.fetch(url, { method, headers, body: bytes })).status, 200);
  }
  const finish = ({ task, fence }: { task: string; fence: number }) =>
    app.admin.call("finishTask", { params: { store: "west" }, body: { task, fence } });
  await assert.rejects(finish(first), { code: "TASK_LOST" });
  assert.deepEqual(await finish(second), { tasksLeft: 0, ready: true });
  await assert.rejects(finish(second), { code: "TASK_LOST" });
  await assertReadable(world, "main", FILES, { store: "west" });
});

test("an executor that says it is done without copying is not believed", async () => {
  const world = await replicaWorld();
  const { app } = world;
  await world.pusher.push(MODEL, FILES);
  Object.assign(app.stores.get("west").profile, { reach: "agent" });
  await addPolicy(world, "all", ["west"]);
  await ring(world);
  const { task } = await app.admin.call("leaseTask", { params: { store: "west" }, body: { executor: "one" } });
  const body = { task: task?.task ?? "", fence: task?.fence ?? 0 };
  await assert.rejects(app.admin.call("finishTask", { params: { store: "west" }, body }), { code: "CHUNK_UNPROVEN" });
  assert.deepEqual(await markersIn(world, "west"), []);
});

test("verify finds chunks that a store lost; the replica is none until it is whole again", async () => {
  const world = await replicaWorld();
  await addPolicy(world, "all", ["west"]);
  await world.pusher.push(MODEL, FILES);
  await settle(world);
  const { bucket } = world.app.stores.get("west");
  const verify = () => world.app.admin.call("verifyReplica", { repository: MODEL, body: { store: storeId("west") } });
  assert.deepEqual({ ...(await verify()), revision: null }, { revision: null, chunks: 4, missing: 0, next: null });
  const [chunk] = await listAll(bucket, "chunks/");
  await bucket.delete([chunk?.key ?? ""]);
  assert.equal((await verify()).missing, 1);
  await assert.rejects(assertReadable(world, "main", FILES, { store: "west" }), { code: "REPLICA_NOT_READY" });
  await ring(world, 6);
  await assertReadable(world, "main", FILES, { store: "west" });
});

test("F30: home is down: who reads near a store that has it is served, and nobody gets another's bytes", async () => {
  const world = await replicaWorld();
  await addPolicy(world, "all", ["west"]);
  await world.pusher.push(MODEL, FILES);
  await settle(world);
  const { bucket } = world.app.stores.home;
  for (const name of ["get", "head", "list", "put", "create"] as const)
    bucket[name] = async () => {
      throw new FerryError("STORAGE_UNAVAILABLE", { store: "home", problem: "a black hole" });
    };
  assert.equal(await assertReadable(world, "main", FILES, { near: "west" }), "west");
});

test("F29: events twice, in any order, or lost, and a new index between them: one replica each, copied once", async () => {
  const world = await replicaWorld();
  await addPolicy(world, "all", ["west"]);
  let writes = 0;
  const { chunks } = world.app.stores.get("west");
  const write = chunks.write.bind(chunks);
  chunks.write = async (...given) => {
    writes++;
    return write(...given);
  };
  for (let at = 0; at < 12; at++) {
    await world.pusher.push(MODEL, { ...FILES, n: `number ${at}` });
    const woken = world.app.background.splice(0);
    if (at % 3 === 0) world.app.indexes.jobs.stores.clear();
    if (at % 2 === 0) await Promise.all([...woken, syncRepository(world.app.ports, MODEL), syncRepository(world.app.ports, MODEL)]);
  }
  await ring(world, 6);
  assert.ok((await markersIn(world, "west")).length >= 12 - 11);
  const { replicas } = await world.app.admin.call("syncStatus", { query: { repository: MODEL } });
  assert.deepEqual(replicas.find(({ refs }) => refs.includes("main"))?.stores[0]?.state, "ready");
  const stored = (await chunksIn(world, "west")).length;
  assert.ok(writes <= stored * 2, `${writes} writes for ${stored} chunks`);
  await assertReadable(world, "main", { ...FILES, n: "number 11" }, { store: "west" });
});

test("a purged repository leaves no replica behind", async () => {
  const world = await replicaWorld();
  await addPolicy(world, "all", ["west"]);
  await world.pusher.push(MODEL, FILES);
  await settle(world);
  const { id } = await world.app.admin.call("describeRepository", { repository: MODEL });
  await world.app.admin.call("deleteRepository", { repository: MODEL, query: { operationId: operationId() } });
  await ring(world, 6);
  assert.equal((await markersIn(world, "west")).length, 1, "in the trash it may come back");
  await world.app.admin.call("purgeRepository", { params: { id }, body: { now: true, operationId: operationId() } });
  await ring(world, 6);
  assert.deepEqual(await markersIn(world, "west"), []);
});

test("two who compare at the same time copy once", async () => {
  const world = await replicaWorld();
  await world.pusher.push(MODEL, FILES);
  let writes = 0;
  const { chunks } = world.app.stores.get("west");
  const write = chunks.write.bind(chunks);
  chunks.write = async (...given) => {
    writes++;
    return write(...given);
  };
  await tag(world, "deploy/west");
  await Promise.all([...world.app.background.splice(0), ...Array.from({ length: 4 }, () => syncRepository(world.app.ports, MODEL))]);
  await ring(world, 6);
  assert.equal(writes, 4);
  await assertReadable(world, "main", FILES, { store: "west" });
});
