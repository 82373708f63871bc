/** What is wrong with a deployment is found by its API, said in words, and said what to do about; each trouble by something that has it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as z from "zod";
import { FerryClient } from "../../../shared/client.ts";
import { ROUTES, type RouteName } from "../../../shared/contract/routes.ts";
import { FerryError } from "../../../shared/errors.ts";
import { CHECKS, type CheckName, check } from "../../../shared/health/checks.ts";
import { filled, TROUBLES, type TroubleCode } from "../../../shared/health/troubles.ts";
import { type MemoryApp, memoryApp, operationId, repositoryName } from "../../support/memory-app.ts";
import { ferry, onApp } from "../../support/memory-host.ts";
import { Pusher } from "../../support/pusher.ts";

const NAMES = Object.keys(CHECKS) as CheckName[];
const DAY_MS = 86_400_000;
type Answers = { [N in RouteName]?: unknown };

/** An administrator's client of the app, of which some routes answer otherwise: an object is merged over the true answer. */
function clientOf(app: MemoryApp, answers: Answers): FerryClient {
  const routes = Object.entries(answers).map(([name, answer]) => ({ ...ROUTES[name as RouteName], answer }));
  const fetch = async (url: string, init: RequestInit) => {
    const path = new URL(url).pathname;
    const fits = (pattern: string) => new RegExp(`^${pattern.replace(/:\w+/g, "[^/]+")}$`).test(path);
    const route = routes.find(({ path: pattern, method }) => fits(pattern) && (init.method ?? "GET") === method);
    if (route === undefined) return app.fetch(url, { ...init, headers: { ...init.headers, authorization: `Bearer ${tokenOf.get(app)}` } });
    if (route.answer instanceof FerryError) {
      const { code, status, message, details } = route.answer;
      return Response.json({ type: "", title: "", status, code, detail: message, next: "", requestId: "r", details }, { status });
    }
    return Response.json(route.answer);
  };
  return new FerryClient({ endpoint: "https://ferry.test", token: "hf_x", fetch, sleep: async () => {}, random: () => 0, attempts: 1 });
}

const tokenOf = new WeakMap<MemoryApp, string>();

async function world(): Promise<MemoryApp> {
  const app = await memoryApp({ ids: ["home", "west"] });
  const scopes = [{ repositories: "*", actions: ["pull" as const, "push" as const, "tag" as const, "admin" as const] }];
  await app.admin.call("startRebuild", {});
  for (let steps = 0; steps < 10 && (await app.admin.call("stepRebuild", {})).run?.phase !== "done"; steps++);
  tokenOf.set(app, (await app.admin.call("createToken", { body: { name: "root", scopes } })).token);
  return app;
}

async function codes(app: MemoryApp, answers: Answers, names: readonly CheckName[] = NAMES): Promise<TroubleCode[]> {
  const looking = { client: clientOf(app, answers), nowMs: app.clock.now(), thorough: true };
  const found = await Promise.all(names.map((name) => check(name, looking)));
  return found.flatMap((one) => one?.troubles.map(({ code }) => code) ?? []);
}

const job = (state: string, problem: string | null) => ({
  ...{
    job: "0".repeat(16),
    store: "west",
    repositoryId: "0".repeat(16),
    repository: "team/a",
    revision: "0".repeat(40),
    state,
    problem,
  },
  ...{ chunks: 1, bytes: 1, doneBytes: 0, tasks: 1, tasksLeft: 1, plannedAt: "2025-12-31T00:00:00Z", etaSeconds: null, failures: 9 },
});
const policy = {
  name: "p",
  repositories: "*",
  refs: "*",
  labels: {},
  stores: ["west"],
  trigger: "commit",
  evict: false,
  pinned: 0,
  ranAt: null,
};
const probe = { v: 1, store: "home", probedAt: "2026-01-01T00:00:00Z", createOnly: true, listAfterPut: true, rangeReads: true, checks: [] };
const storesOf = (one: object | null) => ({
  stores: [{ id: "home", home: true, provider: "s3", endpoint: "https://s3.test", bucket: "b", prefix: "", probe: one }],
});
const warmup = { warmup: "w".repeat(16), repository: "team/a", ref: "main", revision: "0".repeat(40), state: "late" };
const hook = { name: "ci", url: "https://x.test", events: ["*"], repositories: "*", format: "standard" };
const hooked = (disabled: string | null) => ({
  webhooks: [{ ...hook, createdAt: "", createdBy: "", rotatedAt: null, previousUntil: null, disabled }],
});
const delivery = { id: "d", event: "e", type: "tag.moved", createdAt: "2025-12-31T12:00:00Z", state: "failed", attempts: 9, status: 500 };

const SICK: Partial<Record<TroubleCode, Answers>> = {
  indexUnreachable: { rebuildStatus: new FerryError("INDEX_UNAVAILABLE", { problem: "no answer within 10000 ms" }) },
  indexRebuilding: { rebuildStatus: new FerryError("INDEX_REBUILDING") },
  replicaFailed: { syncStatus: { jobs: [job("failed", "403")], replicas: [] } },
  replicaRetrying: { syncStatus: { jobs: [job("retrying", "503")], replicas: [] } },
  replicaStalled: { syncStatus: { jobs: [job("copying", null)], replicas: [] } },
  replicaLagging: {
    syncStatus: { jobs: [{ ...job("copying", null), doneBytes: 1 }], replicas: [] },
    listPolicies: {
      policies: [
        { ...policy, lagSeconds: 600 },
        { ...policy, name: "p2" },
      ],
    },
  },
  warmupLate: {
    warmMap: {
      groups: ["default"],
      nodes: ["a"],
      warmups: [{ ...warmup, nodesReady: 0, nodesTarget: 1, startedAt: "", etaSeconds: null, cells: "-" }],
    },
  },
  webhookDisabled: { listWebhooks: hooked("410 Gone") },
  webhookFailing: {
    listWebhooks: hooked(null),
    listDeliveries: { deliveries: [{ ...delivery, problem: null, triedAt: null, againAt: null }], next: null },
  },
  auditDamaged: { listAudit: { events: [], damaged: ["2026"], next: null } },
  storeUnprobed: { listStores: storesOf(null) },
  storeRefusesNothing: { listStores: storesOf({ ...probe, modes: [], clockSkewSeconds: 0 }) },
  storeClock: { listStores: storesOf({ ...probe, modes: ["payload"], clockSkewSeconds: -90 }) },
};

test("a deployment that is well has no troubles, and each check says what it saw", async () => {
  const app = await world();
  assert.deepEqual(await codes(app, {}), []);
  for (const name of NAMES) {
    const seen = await check(name, { client: clientOf(app, {}), nowMs: app.clock.now(), thorough: true });
    assert.notEqual(seen?.fine, "", name);
  }
});

for (const [code, answers] of Object.entries(SICK))
  test(`found by what the API answers: ${code}`, async () => {
    assert.deepEqual(await codes(await world(), answers), [code]);
  });

test("found on the real thing: an old collection, a token near its end, agents of another version, a quota nearly used", async () => {
  const app = await world();
  await app.admin.call("startCollect", { body: { dryRun: true } });
  const { run } = await app.admin.call("collectStatus", {});
  await app.admin.call("cancelCollect", { params: { run: run?.run ?? "" } });
  app.clock.advance(2 * DAY_MS);
  const repository = repositoryName("team/full");
  await app.admin.call("createRepository", { body: { repository, operationId: operationId() } });
  const quota = { logicalBytes: null, storedBytes: null, objects: 1 };
  const described = await app.admin.call("describeRepository", { repository });
  const expiresInSeconds = 3 * 86_400;
  await app.admin.call("createToken", { body: { name: "soon", scopes: [{ repositories: "*", actions: ["pull"] }], expiresInSeconds } });
  const agent = { id: "n1", address: "", zone: "", weight: 1, labels: {}, version: "0.0.1", chunks: 0, bytes: 0, maxBytes: 1 };
  await app.admin.call("heartbeat", { body: { group: "default", agent } });
  const full = { ...described, usage: { ...described.usage, objects: 1 }, settings: { ...described.settings, quota } };
  const found = await codes(app, { describeRepository: full });
  assert.deepEqual(
    found.filter((code) => code !== "collectProblem"),
    ["indexRebuilding", "bellSilent", "agentVersions", "tokenEnding", "quotaNear"],
  );
});

test("a warm-up that is late is found in every group of agents", async () => {
  const app = await world();
  const repository = repositoryName("team/warmed");
  const pusher = new Pusher(app.admin, app.stores.fetch);
  await pusher.create(repository);
  await pusher.push(repository, { a: "a" });
  const agent = { id: "n1", address: "", zone: "", weight: 1, labels: {}, version: "1", chunks: 0, bytes: 0, maxBytes: 1 };
  await app.admin.call("heartbeat", { body: { group: "gpu", agent } });
  await app.admin.call("startWarmup", { repository, body: { group: "gpu", deadlineSeconds: 60, operationId: operationId() } });
  app.clock.advance(61_000);
  assert.deepEqual(await codes(app, {}, ["warmth"]), ["warmupLate"]);
});

test("a bucket that went back is told by the index's generation, not as damage", async () => {
  const app = await world();
  await app.admin.call("createRepository", { body: { repository: repositoryName("team/lost"), operationId: operationId() } });
  const records = [...(await app.stores.home.bucket.list("sys/log/", { limit: 1000 })).objects].map(({ key }) => key);
  await app.stores.home.bucket.delete(records.slice(-1));
  // The bootstrap token needs no log, and so it is the one to look with.
  const [found] = (await check("index", { client: app.admin, nowMs: app.clock.now(), thorough: true }))?.troubles ?? [];
  assert.equal(found?.code, "indexUnlike");
  assert.match(filled(TROUBLES.indexUnlike.text, found.values), /index of generation 1 .*record \d+ was there, and is missing/);
  assert.match(TROUBLES.indexUnlike.next, /GENERATION/);
  const { stdout } = await ferry(["doctor"], onApp(app, tokenOf.get(app) ?? ""));
  assert.match(stdout, /token .*record \d+ was there, and is missing\n.*BOOTSTRAP_TOKEN/);
});

test("what a look for damage finds the index to be unlike is told so, and not as damage of the bucket", async () => {
  const app = await world();
  const { run } = await app.admin.call("startFsck", { body: {} });
  const finding = { severity: "warning", kind: "index.unlike", what: "team/a", detail: "other records", affected: [], affectedCount: 0 };
  const answers = { fsckStatus: { run: { ...run, findings: [finding] }, busy: false } };
  assert.deepEqual(await codes(app, answers, ["damage"]), ["indexUnlike"]);
});

test("who may not administer the deployment is asked nothing, and told nothing of it", async () => {
  const app = await world();
  const client = await app.member({ repositories: "team/*", actions: ["pull"] });
  const seen = await Promise.all(
    NAMES.map(async (name) => [name, await check(name, { client, nowMs: app.clock.now(), thorough: true })] as const),
  );
  const told = seen.filter(([, one]) => one !== null).map(([name]) => name);
  assert.deepEqual(told, ["stores", "quotas"]);
});

test("a broken index is told once, by the check that is about it", async () => {
  const broken = new FerryError("INDEX_UNAVAILABLE", { problem: "no" });
  const found = await codes(await world(), { rebuildStatus: broken, listTokens: broken, listWebhooks: broken });
  assert.deepEqual(found, ["indexUnreachable"]);
});

test("ferry doctor says what is wrong and what to do, and leaves with 6 when something fails", async () => {
  const app = await world();
  const options = onApp(app, tokenOf.get(app));
  const fetch: typeof options.fetch = async (url, init) => {
    const syncing = new URL(url).pathname === ROUTES.syncStatus.path;
    return syncing
      ? Response.json({ jobs: [job("failed", "the target refused")], replicas: [] })
      : (options.fetch?.(url, init) ?? Response.error());
  };
  const { exit, stdout } = await ferry(["doctor", "--json"], { ...options, fetch });
  const Answer = z.object({
    ok: z.boolean(),
    findings: z.array(z.looseObject({ check: z.string(), state: z.string(), next: z.string().optional() })),
  });
  const { ok, findings } = Answer.parse(JSON.parse(stdout));
  assert.deepEqual([exit, ok], [6, false]);
  const replicas = findings.find((finding) => finding.check === "replicas");
  assert.equal(replicas?.state, "fail");
  assert.match(replicas?.next ?? "", /ferry store probe west/);
  for (const name of NAMES.filter((one) => one !== "stores"))
    assert.ok(
      findings.some((finding) => finding.check === name),
      name,
    );
});

test("every hole of a trouble's words is filled by somebody", () => {
  for (const { text, next } of Object.values(TROUBLES)) {
    assert.doesNotMatch(filled("{a} of {b}", { a: 1, b: "{c}" }), /\{b\}/);
    assert.match(text, /^[a-z{]/);
    assert.match(next, /[.]$/);
  }
});
