/** Agents, tickets and warm-ups through the API, on memory ports. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { markReady } from "../../../functions/registry/replicate/ready.ts";
import { tendWarmups } from "../../../functions/registry/warm/schedules.ts";
import type { FerryClient } from "../../../shared/client.ts";
import type { AgentDescription } from "../../../shared/contract/agents.ts";
import type { WarmReport } from "../../../shared/contract/warm.ts";
import { RefName, StoreId } from "../../../shared/names.ts";
import { RingTickets } from "../../../shared/ring-ticket.ts";
import { type MemoryApp, memoryApp, operationId, repositoryName } from "../../support/memory-app.ts";
import { digestOf, Pusher } from "../../support/pusher.ts";

const MODEL = repositoryName("team/model");
const FILES = { "a.bin": "aaaa", "b.bin": "bbbbbb" };

async function world(): Promise<{ app: MemoryApp; agent: FerryClient; pusher: Pusher; revision: string }> {
  const app = await memoryApp({ ids: ["home"], modes: ["payload"] });
  const pusher = new Pusher(app.admin, app.stores.fetch);
  await pusher.create(MODEL);
  const { revision } = (await pusher.push(MODEL, FILES, { branch: RefName.parse("main") })).revision;
  return { app, pusher, revision, agent: await app.member({ repositories: "*", actions: ["pull"] }) };
}

const describe = (id: string, more: Partial<AgentDescription> = {}): AgentDescription => ({
  ...{ id, address: `${id}.test:7077`, zone: "", weight: 1, labels: {}, version: "1", chunks: 0, bytes: 0, maxBytes: 100 },
  ...more,
});
const beat = (agent: FerryClient, id: string, reports: WarmReport[] = [], more: Partial<AgentDescription> = {}) =>
  agent.call("heartbeat", { body: { group: "default", agent: describe(id, more), reports } });
const ready = (warmup: string): WarmReport => ({
  ...{ warmup, state: "ready", chunks: 2, chunksReady: 2, bytes: 10, bytesReady: 10, bytesPerSecond: 0, problem: "" },
});

test("agents that tell something see one another; who is silent or leaves is gone", async () => {
  const { app, agent } = await world();
  await beat(agent, "a");
  const { peers, intervalSeconds } = await beat(agent, "b");
  assert.deepEqual(peers.map(({ id }) => id).sort(), ["a", "b"]);
  app.clock.advance(10 * intervalSeconds * 1000);
  assert.deepEqual(
    (await beat(agent, "b")).peers.map(({ id }) => id),
    ["b"],
  );
  await agent.call("heartbeat", { body: { group: "default", agent: describe("b"), leaving: true } });
  assert.deepEqual((await agent.call("listAgents", {})).agents, []);
});

test("a ticket opens the door to its chunk of its repository, for agents of its group, until it ends", async () => {
  const { app, agent } = await world();
  const { secrets } = await beat(agent, "a");
  const reader = await app.member({ repositories: MODEL, actions: ["pull"] });
  const sha256 = digestOf("aaaa");
  const { items, expiresInSeconds } = await reader.call("chunkTickets", {
    repository: MODEL,
    params: { ref: "main" },
    body: { chunks: [sha256] },
  });
  const ticket = items[0]?.ticket ?? "";
  const nowMs = app.clock.now();
  const right = { repository: MODEL, sha256, size: 4 };
  const tickets = await RingTickets.make(secrets);
  assert.equal(await tickets.problem(ticket, right, nowMs), null);
  assert.match((await tickets.problem(ticket, right, nowMs + (expiresInSeconds + 1) * 1000)) ?? "", /expired/);
  for (const wrong of [{ repository: repositoryName("team/other") }, { sha256: digestOf("bbbbbb") }, { size: 5 }]) {
    assert.match((await tickets.problem(ticket, { ...right, ...wrong }, nowMs)) ?? "", /another chunk/);
  }
  const other = await agent.call("heartbeat", { body: { group: "other", agent: describe("a") } });
  assert.match((await (await RingTickets.make(other.secrets)).problem(ticket, right, nowMs)) ?? "", /another/);
  assert.notEqual(await tickets.problem(`${ticket.slice(0, -2)}AA`, right, nowMs), null);
  assert.match((await tickets.problem("x", right, nowMs)) ?? "", /no ticket/);
});

test("a ticket made on the next day opens doors of agents that have heard nothing since", async () => {
  const { app, agent } = await world();
  const { secrets } = await beat(agent, "a");
  app.clock.advance(20 * 3_600_000);
  const body = { chunks: [digestOf("aaaa")] };
  const { items } = await app.admin.call("chunkTickets", { repository: MODEL, params: { ref: "main" }, body });
  const subject = { repository: MODEL, sha256: digestOf("aaaa"), size: 4 };
  assert.equal(await (await RingTickets.make(secrets)).problem(items[0]?.ticket ?? "", subject, app.clock.now()), null);
});

test("a chunk that the revision does not have gets no ticket", async () => {
  const { app } = await world();
  const call = app.admin.call("chunkTickets", { repository: MODEL, params: { ref: "main" }, body: { chunks: [digestOf("zzz")] } });
  await assert.rejects(call, { code: "CHUNK_UNKNOWN" });
});

test("a warm-up reaches the agents it means at their heartbeats, and is ready when all of them say so", async () => {
  const { app, agent, revision } = await world();
  for (const id of ["a", "b", "c"]) await beat(agent, id);
  const started = await app.admin.call("startWarmup", {
    repository: MODEL,
    body: { nodes: { kind: "count", count: 2 }, operationId: operationId() },
  });
  const id = started.warmup?.id ?? "";
  assert.deepEqual([started.warmup?.state, started.warmup?.nodesTarget], ["running", 2]);
  const chosen: string[] = [];
  for (const name of ["a", "b", "c"]) if ((await beat(agent, name)).tasks.length > 0) chosen.push(name);
  assert.equal(chosen.length, 2);
  const warmth = async () => {
    const { ready_nodes, target_nodes, ratio } = await agent.call("warmth", { repository: MODEL, query: {} });
    return [ready_nodes, target_nodes, ratio];
  };
  assert.deepEqual(await warmth(), [0, 2, 0]);
  await beat(agent, chosen[0] ?? "", [ready(id)]);
  assert.deepEqual(await warmth(), [1, 2, 0.5]);
  await beat(agent, chosen[1] ?? "", [ready(id)]);
  assert.deepEqual(await warmth(), [2, 2, 1]);
  const read = await app.admin.call("readWarmup", { repository: MODEL, params: { warmup: id } });
  assert.deepEqual([read.state, read.revision, read.nodeList.map(({ state }) => state)], ["ready", revision, ["ready", "ready"]]);
});

test("when a node that was chosen dies, another one is; a node that comes later is warmed, too", async () => {
  const { app, agent } = await world();
  for (const id of ["a", "b", "c"]) await beat(agent, id);
  await app.admin.call("startWarmup", { repository: MODEL, body: { nodes: { kind: "count", count: 1 }, operationId: operationId() } });
  await app.admin.call("startWarmup", {
    repository: MODEL,
    body: { nodes: { kind: "labels", labels: { gpu: "yes" } }, operationId: operationId() },
  });
  const tasks = async (id: string, labels = {}) => (await beat(agent, id, [], { labels })).tasks.length;
  const holders: string[] = [];
  for (const id of ["a", "b", "c"]) if ((await tasks(id)) === 1) holders.push(id);
  assert.equal(holders.length, 1);
  app.clock.advance(60_000);
  const others = ["a", "b", "c"].filter((id) => id !== holders[0]);
  for (const id of others) await beat(agent, id);
  const after: number[] = [];
  for (const id of others) after.push(await tasks(id));
  assert.equal(
    after.reduce((sum, count) => sum + count, 0),
    1,
  );
  assert.ok((await tasks("late", { gpu: "yes" })) >= 1);
});

test("a cancelled warm-up is given to nobody any more; repeating a start makes no second one", async () => {
  const { app, agent } = await world();
  await beat(agent, "a");
  const body = { operationId: operationId() };
  await app.admin.call("startWarmup", { repository: MODEL, body });
  await app.admin.call("startWarmup", { repository: MODEL, body });
  assert.equal((await app.admin.call("listWarmups", { repository: MODEL })).warmups.length, 1);
  await app.admin.call("cancelWarmup", { repository: MODEL, params: { warmup: body.operationId } });
  assert.deepEqual((await beat(agent, "a")).tasks, []);
  await assert.rejects(app.admin.call("cancelWarmup", { repository: MODEL, params: { warmup: body.operationId } }), {
    code: "WARMUP_UNKNOWN",
  });
});

test("a warm-up whose deadline is over is late, and that is told once", async () => {
  const { app, agent } = await world();
  await beat(agent, "a");
  await app.admin.call("startWarmup", { repository: MODEL, body: { deadlineSeconds: 60, operationId: operationId() } });
  assert.deepEqual(await tendWarmups(app.ports), []);
  app.clock.advance(61_000);
  await beat(agent, "a");
  assert.deepEqual(
    (await tendWarmups(app.ports)).map(({ type }) => type),
    ["warmup.late"],
  );
  assert.deepEqual(await tendWarmups(app.ports), []);
});

test("a schedule begins its warm-up once, its lead before the time, to be ready by then, even when the index was lost", async () => {
  const { app, agent } = await world();
  const trigger = { kind: "cron", cron: "0 9 * * *", zone: "UTC", leadSeconds: 900 } as const;
  await app.admin.call("startWarmup", { repository: MODEL, body: { trigger, operationId: operationId() } });
  app.clock.advance(8 * 3_600_000 + 44 * 60_000);
  assert.deepEqual(await tendWarmups(app.ports), []);
  app.indexes.boards.boards.clear();
  app.clock.advance(60_000);
  await beat(agent, "a");
  assert.deepEqual(
    (await tendWarmups(app.ports)).map(({ type }) => type),
    ["warmup.begun"],
  );
  assert.deepEqual(await tendWarmups(app.ports), []);
  const [warmup] = (await app.admin.call("listWarmups", { repository: MODEL })).warmups;
  assert.equal(warmup?.deadlineAt, "2026-01-01T09:00:00.000Z");
});

test("one that waits for a store begins when the replica there is whole, not when the ref moves", async () => {
  const app = await memoryApp({ ids: ["home", "west"], modes: ["payload", "payload"] });
  const pusher = new Pusher(app.admin, app.stores.fetch);
  await pusher.create(MODEL);
  const { revision } = (await pusher.push(MODEL, FILES, { branch: RefName.parse("main") })).revision;
  const west = StoreId.parse("west");
  const trigger = { kind: "follow" as const, store: west };
  await app.admin.call("startWarmup", { repository: MODEL, body: { trigger, operationId: operationId() } });
  assert.deepEqual(await tendWarmups(app.ports), []);
  const { id } = await app.admin.call("describeRepository", { repository: MODEL });
  const { seq } = await app.admin.call("resolve", { repository: MODEL, params: { ref: "main" } });
  await markReady(app.ports.stores.get(west).bucket, id, { seq, revision, copy: "0123456789abcdef" });
  assert.deepEqual(
    (await tendWarmups(app.ports)).map(({ type }) => type),
    ["warmup.begun"],
  );
});

test("a schedule that follows a ref warms each revision that it names", async () => {
  const { app, agent, pusher } = await world();
  const operation = operationId();
  await app.admin.call("startWarmup", { repository: MODEL, body: { trigger: { kind: "follow" }, operationId: operation } });
  assert.equal((await tendWarmups(app.ports)).length, 1);
  assert.equal((await tendWarmups(app.ports)).length, 0);
  const { revision } = (await pusher.push(MODEL, { "a.bin": "other" }, { branch: RefName.parse("main") })).revision;
  assert.equal((await tendWarmups(app.ports)).length, 1);
  assert.ok((await beat(agent, "a")).tasks.some((task) => task.revision === revision));
  await app.admin.call("cancelWarmup", { repository: MODEL, params: { warmup: operation } });
  assert.deepEqual((await app.admin.call("listWarmups", { repository: MODEL })).schedules, []);
});
