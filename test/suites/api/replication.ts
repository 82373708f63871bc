/** Other stores and nodes: policies, tasks for executors, agents, warm-ups. */
import assert from "node:assert/strict";
import type { LeasedTask } from "../../../shared/contract/replication.ts";
import { WarmupRequest } from "../../../shared/contract/warm.ts";
import { type RepositoryName, StoreId } from "../../../shared/names.ts";
import { ticketRequest } from "../../../shared/tickets.ts";
import { operationId, repositoryName } from "../../support/memory-app.ts";
import { digestOf } from "../../support/pusher.ts";
import type { Guarantees } from "./api.ts";
import type { ApiWorld } from "./world.ts";

const STEPS_MAX = 60;
const WEST = StoreId.parse("west");
const policyOf = (name: string, repositories: string) => ({
  name,
  repositories: repositoryName(repositories),
  stores: [WEST],
  trigger: "manual" as const,
});

export const REPLICATION: Guarantees = {
  "a policy asks for a replica, an executor makes it of signed requests, and every chunk is there": async (world) => {
    const repository = await world.repositoryWith("replicated", { a: "replicated a", b: "replicated b" });
    const policy = policyOf("replicated", repository);
    assert.deepEqual((await world.admin.call("previewPolicy", { body: { policy } })).missing, 1);
    await world.admin.call("setPolicy", { body: { policy, operationId: operationId() } });
    await world.admin.call("runPolicy", { params: { policy: "replicated" }, body: { operationId: operationId() } });
    await planned(world, repository);
    const { task } = await world.admin.call("leaseTask", { params: { store: WEST }, body: { executor: "a test" } });
    assert.ok(task);
    const held = { task: task.task, fence: task.fence };
    assert.ok((await world.admin.call("extendTask", { params: { store: WEST }, body: held })).leaseSeconds > 0);
    await carry(world, task);
    const done = await world.admin.call("finishTask", { params: { store: WEST }, body: held });
    assert.deepEqual(done, { tasksLeft: 0, ready: true });
    const { replicas } = await world.admin.call("syncStatus", { query: { repository } });
    assert.equal(replicas[0]?.stores.find(({ store }) => store === WEST)?.state, "ready");
    const seen = await world.admin.call("verifyReplica", { repository, body: { store: WEST } });
    assert.deepEqual([seen.chunks, seen.missing], [2, 0]);
    const batch = await world.admin.call("download", {
      repository,
      params: { ref: "main" },
      body: { chunks: [digestOf("replicated a")], store: WEST },
    });
    assert.equal(batch.store, WEST);
  },

  "a job that is not wanted any more is cancelled, and its policy removed": async (world) => {
    const repository = await world.repositoryWith("cancelled", { a: "cancelled a" });
    await world.admin.call("setPolicy", { body: { policy: policyOf("cancelled", repository), operationId: operationId() } });
    await world.admin.call("runPolicy", { params: { policy: "cancelled" }, body: { operationId: operationId() } });
    const job = await planned(world, repository);
    await world.admin.call("removePolicy", { params: { policy: "cancelled" }, query: { operationId: operationId() } });
    await world.admin.call("cancelJob", { params: { store: WEST, job } });
    const { policies } = await world.admin.call("listPolicies", {});
    assert.ok(policies.every(({ name }) => name !== "cancelled"));
  },

  "an import is kept until an executor has done it, and one that is cancelled is lost to its executor": async (world) => {
    const repository = await world.repositoryWith("imported", { a: "imported a" });
    const from = "s3://models/imported/";
    const ask = () => world.admin.call("startImport", { repository, body: { from, operationId: operationId() } });
    const lease = async () => (await world.admin.call("leaseImport", { body: { executor: "a test", rules: [{ from }] } })).task;
    const asked = await ask();
    const task = await lease();
    assert.deepEqual([task?.id, task?.repository], [asked.id, repository]);
    assert.ok(task);
    const params = { import: task.id };
    const held = { lease: task.lease, fence: task.fence };
    assert.ok((await world.admin.call("extendImport", { repository, params, body: held })).leaseSeconds > 0);
    const { revision } = await world.pusher.push(repository, { b: "imported b" }, { operationId: task.id });
    const body = { ...held, revision: revision.revision, files: 1, bytes: 10 };
    assert.equal((await world.admin.call("finishImport", { repository, params, body })).state, "done");
    const other = await ask();
    const second = await lease();
    await world.admin.call("cancelImport", { repository, params: { import: other.id } });
    const lost = { lease: second?.lease ?? "", fence: second?.fence ?? 0, problem: "late" };
    await assert.rejects(world.admin.call("finishImport", { repository, params: { import: other.id }, body: lost }), { code: "TASK_LOST" });
    const { imports } = await world.admin.call("listImports", { repository });
    assert.deepEqual(imports.map(({ state }) => state).sort(), ["cancelled", "done"]);
  },

  "a home has nothing to be promoted": async (world) => {
    const told = await world.admin.call("promote", { body: { operationId: operationId(), dryRun: true } });
    assert.deepEqual([told.store, told.lost], ["home", []]);
  },

  "an agent joins its ring, is told of a warm-up, and the warm-up is ready when it says so": async (world) => {
    const repository = await world.repositoryWith("warmed", { a: "warmed a" });
    const agent = { id: "node-1", address: "10.0.0.1:7077", zone: "a", weight: 1, labels: {}, version: "1" };
    const beat = (reports: object[], leaving = false) =>
      world.admin.call("heartbeat", {
        body: { group: "api", agent: { ...agent, chunks: 1, bytes: 1, maxBytes: 10 }, leaving, reports } as never,
      });
    const joined = await beat([]);
    assert.equal(joined.secrets.length, 3);
    const started = await world.admin.call("startWarmup", {
      repository,
      body: WarmupRequest.parse({ group: "api", operationId: operationId() }),
    });
    const warmup = started.warmup?.id ?? "";
    assert.equal((await beat([])).tasks[0]?.warmup, warmup);
    const counts = { chunks: 1, chunksReady: 1, bytes: 8, bytesReady: 8, bytesPerSecond: 8 };
    await beat([{ warmup, state: "ready", ...counts, problem: "" }]);
    assert.equal((await world.admin.call("readWarmup", { repository, params: { warmup } })).state, "ready");
    const warmth = await world.admin.call("warmth", { repository, query: { ref: "main", group: "api" } as never });
    assert.deepEqual([warmth.ready_nodes, warmth.target_nodes, warmth.ratio], [1, 1, 1]);
    const { warmups } = await world.admin.call("warmMap", { query: { group: "api" } as never });
    assert.equal(warmups.length, 1);
    const tickets = await world.admin.call("chunkTickets", {
      repository,
      params: { ref: "main" },
      body: { chunks: [digestOf("warmed a")], group: "api" } as never,
    });
    assert.equal(tickets.items.length, 1);
    await world.admin.call("cancelWarmup", { repository, params: { warmup } });
    await world.admin.call("listWarmups", { repository });
    await beat([], true);
    assert.deepEqual((await world.admin.call("listAgents", { query: { group: "api" } as never })).agents, []);
  },
};

/** The job that brings the repository's revision to WEST. A step finds nothing to do while another is at it: then it is asked again. */
async function planned(world: ApiWorld, repository: RepositoryName): Promise<string> {
  for (let step = 0; step < STEPS_MAX; step++) {
    const { jobs } = await world.admin.call("syncStatus", { query: { repository } });
    const job = jobs.find((one) => one.repository === repository);
    if (job !== undefined) return job.job;
    await world.admin.call("stepSync", {});
  }
  throw new Error(`nothing was planned for ${repository}`);
}

/** What an executor does: GET each source, PUT it by the ticket at the same place. */
async function carry(world: ApiWorld, { sources, tickets }: LeasedTask): Promise<void> {
  assert.equal(sources.items.length, 2);
  for (const [at, { path, signature }] of sources.items.entries()) {
    const got = await world.reach(`${sources.base}${path}?${sources.query}&X-Amz-Signature=${signature}`);
    const item = tickets.items[at];
    assert.ok(item);
    const { method, url, headers } = ticketRequest(tickets, item);
    assert.equal((await world.reach(url, { method, headers, body: await got.arrayBuffer() })).status, 200);
  }
}
