/** What bounds replication: the rate of a link, the time that a replica may be missing, stores that lie, and storms of events. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { CHUNK_PREFIX } from "../../../functions/registry/layout.ts";
import { syncRepository } from "../../../functions/registry/replicate/bell.ts";
import { FerryClient } from "../../../shared/client.ts";
import type { Scope } from "../../../shared/contract/access.ts";
import { FerryError } from "../../../shared/errors.ts";
import { operationId } from "../../support/memory-app.ts";
import { digestOf, type Files } from "../../support/pusher.ts";
import { addPolicy, MODEL, markersIn, type ReplicaWorld, replicaWorld, ring, settle, storeId } from "../../support/replica-world.ts";

const FILES: Files = { a: "aaaa", b: "bbbb", c: "cccc", d: "dddd" };
const KIB = 1024;

function eventsOf({ app }: ReplicaWorld, type: string): Record<string, string | number>[] {
  return app.indexes.events.events.filter((event) => event.type === type).map(({ about }) => about);
}

/** Counts what is written into a store's chunks. */
function countWrites({ app }: ReplicaWorld, store: string): { bytes: number; chunks: number } {
  const sum = { bytes: 0, chunks: 0 };
  const { chunks } = app.stores.get(store);
  const write = chunks.write.bind(chunks);
  chunks.write = async (mode, place, body) => {
    sum.bytes += place.size;
    sum.chunks++;
    return write(mode, place, body);
  };
  return sum;
}

test("a policy's rate holds for its stores over any time, and for no other store", async () => {
  const world = await replicaWorld(["home", "west", "east"]);
  const rate = 2 * KIB;
  const size = 8 * KIB;
  await world.pusher.push(MODEL, Object.fromEntries(Array.from({ length: 60 }, (_, at) => [`f${at}`, `${at}`.padEnd(size, ".")])));
  await settle(world);
  const [west, east] = [countWrites(world, "west"), countWrites(world, "east")];
  await addPolicy(world, "slow", ["west"], { bytesPerSecond: rate });
  await addPolicy(world, "fast", ["east"]);
  await settle(world);
  const begunMs = world.app.clock.now();
  // What passes at once: some tasks of what the rate lets pass in 20 s, begun 2 s before their turn at most.
  const burst = 24 * rate + size;
  let minutes = 0;
  for (; minutes < 20 && (await markersIn(world, "west")).length === 0; minutes++) {
    await ring(world);
    const seconds = (world.app.clock.now() - begunMs) / 1000;
    assert.ok(west.bytes <= seconds * rate + burst, `${west.bytes} bytes in ${seconds} s`);
  }
  assert.equal(west.bytes, 60 * size);
  assert.ok(minutes >= 3, `${minutes} minutes`);
  assert.equal(east.bytes, 60 * size);
});

test("an executor is told the rate of its link", async () => {
  const world = await replicaWorld();
  Object.assign(world.app.stores.get("west").profile, { reach: "agent" });
  await world.pusher.push(MODEL, FILES);
  await addPolicy(world, "slow", ["west"], { bytesPerSecond: 5 * KIB });
  await addPolicy(world, "slower", ["west"], { bytesPerSecond: 3 * KIB, repositories: "none/*" });
  await ring(world);
  const { task } = await world.app.admin.call("leaseTask", { params: { store: "west" }, body: { executor: "one" } });
  assert.equal(task?.bytesPerSecond, 3 * KIB);
});

test("executors that find nothing to do leave no trace in the audit trail, one that is given a task does", async () => {
  const world = await replicaWorld();
  const { app } = world;
  Object.assign(app.stores.get("west").profile, { reach: "agent" });
  const lease = () => app.admin.call("leaseTask", { params: { store: "west" }, body: { executor: "one" } });
  for (let at = 0; at < 5; at++) await lease();
  await world.pusher.push(MODEL, FILES);
  await addPolicy(world, "all", ["west"]);
  await ring(world);
  const { task } = await lease();
  await app.services.audit.flush();
  const { events } = await app.admin.call("listAudit", { query: { act: "leaseTask" } });
  assert.deepEqual(
    events.map(({ about }) => about["task"]),
    [task?.task],
  );
});

test("a replica that is missing for longer than its policy allows is told once, counted from its tag", async () => {
  let down = true;
  const world = await replicaWorld(["home", "west"], {
    decorate: (ports) => {
      const { bucket } = ports.stores.get("west");
      const put = bucket.put.bind(bucket);
      bucket.put = async (...given) => {
        if (down) throw new FerryError("STORAGE_UNAVAILABLE", { store: "west", problem: "503" });
        return put(...given);
      };
      return ports;
    },
  });
  await addPolicy(world, "prompt", ["west"], { lagSeconds: 600, trigger: "tag", refs: "v*" });
  await world.pusher.push(MODEL, FILES);
  await ring(world, 60);
  await world.app.admin.call("setTag", { repository: MODEL, params: { tag: "v1" }, body: { ref: "main", operationId: operationId() } });
  await ring(world, 9);
  assert.deepEqual(eventsOf(world, "replica.lagging"), []);
  await ring(world, 12);
  const [late, ...more] = eventsOf(world, "replica.lagging");
  assert.deepEqual([late?.["store"], more.length], ["west", 0]);
  assert.ok(Number(late?.["seconds"]) >= 600 && Number(late?.["seconds"]) < 1_000, JSON.stringify(late));
  await ring(world, 24 * 60);
  assert.equal(eventsOf(world, "replica.lagging").length, 2, "and again after a day");
  down = false;
  await ring(world, 6);
  assert.equal((await markersIn(world, "west")).length, 1);
});

test("a store that does not even list is late, too, and the event says why", async () => {
  const world = await replicaWorld();
  const { bucket } = world.app.stores.get("west");
  bucket.list = async () => {
    throw new FerryError("STORAGE_UNAVAILABLE", { store: "west", problem: "no answer" });
  };
  await addPolicy(world, "prompt", ["west"], { lagSeconds: 600 });
  await world.pusher.push(MODEL, FILES);
  await ring(world, 15);
  const [late] = eventsOf(world, "replica.lagging");
  assert.match(String(late?.["problem"]), /no answer/);
});

const LIES = [
  { name: "says that it has stored and has not", write: async () => "stored" as const, problem: /stored|proven/ },
  { name: "says that every key is taken", write: async () => "exists" as const, problem: /stored|proven/ },
] as const;
for (const { name, write, problem } of LIES) {
  test(`a store that ${name} gets no marker, is asked ever less often, and the job tells why`, async () => {
    const world = await replicaWorld();
    let asked = 0;
    world.app.stores.get("west").chunks.write = () => {
      asked++;
      return write();
    };
    await addPolicy(world, "all", ["west"]);
    await world.pusher.push(MODEL, FILES);
    await ring(world, 60);
    const first = asked;
    await ring(world, 60);
    assert.ok(asked - first <= first / 2, `${first}, then ${asked - first}`);
    assert.deepEqual(await markersIn(world, "west"), []);
    const { jobs } = await world.app.admin.call("syncStatus", { query: { repository: MODEL } });
    assert.equal(jobs[0]?.state, "failed");
    assert.match(jobs[0]?.problem ?? "", problem);
    assert.equal(eventsOf(world, "replica.failed").length, 1);
  });
}

test("a store whose probe proves nothing is paused with the reason, and filled after a probe that does", async () => {
  const world = await replicaWorld();
  const west = world.app.stores.get("west");
  const probed = west.probed.bind(west);
  west.probed = async () => null;
  await addPolicy(world, "all", ["west"]);
  await world.pusher.push(MODEL, FILES);
  await ring(world, 30);
  const { jobs } = await world.app.admin.call("syncStatus", { query: { repository: MODEL } });
  assert.equal(jobs[0]?.state, "failed");
  assert.match(jobs[0]?.problem ?? "", /probe/);
  west.probed = probed;
  await ring(world, 75);
  assert.equal((await markersIn(world, "west")).length, 1);
});

test("10,000 wake-ups for one tag make one job, and each chunk is written once", async () => {
  const world = await replicaWorld();
  await world.pusher.push(MODEL, FILES);
  await settle(world);
  const written = countWrites(world, "west");
  await world.app.admin.call("setTag", {
    repository: MODEL,
    params: { tag: "deploy/west" },
    body: { ref: "main", operationId: operationId() },
  });
  await settle(world);
  for (let at = 0; at < 10_000; at += 100) await Promise.all(Array.from({ length: 100 }, () => syncRepository(world.app.ports, MODEL)));
  await settle(world);
  assert.deepEqual([written.chunks, (await markersIn(world, "west")).length], [4, 1]);
  assert.equal(eventsOf(world, "replica.completed").length, 1);
  assert.equal((await world.app.stores.get("west").bucket.list(CHUNK_PREFIX)).objects.length, 4);
  assert.equal(storeId("west"), "west");
});

test("a client that wants one store alone asks as late as it is told, four times more, and then says that it is not ready", async () => {
  const world = await replicaWorld();
  const { revision } = await world.pusher.push(MODEL, FILES);
  const scopes: Scope[] = [{ repositories: "*", actions: ["pull"] }];
  const { token } = await world.app.admin.call("createToken", { body: { name: "a reader", scopes } });
  const waits: number[] = [];
  const client = new FerryClient({
    endpoint: world.app.admin.endpoint,
    token,
    fetch: world.app.fetch,
    sleep: async (ms) => void waits.push(ms),
    random: () => 0,
  });
  const body = { chunks: [digestOf("aaaa")], store: storeId("west") };
  await assert.rejects(client.call("download", { repository: MODEL, params: { ref: revision.revision }, body }), {
    code: "REPLICA_NOT_READY",
  });
  assert.deepEqual(waits, [5_000, 5_000, 5_000, 5_000]);
});
