/** Imports as jobs: each is given to one executor at a time, only to one that may do it, and makes one revision, however often it is done. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type ImportRule, LeasedImport } from "../../../shared/contract/imports.ts";
import { OperationId, type RepositoryName } from "../../../shared/names.ts";
import { type MemoryApp, memoryApp, operationId, repositoryName } from "../../support/memory-app.ts";
import { Pusher } from "../../support/pusher.ts";

const MODEL = repositoryName("team/model");
const FROM = "hf://org/model";
const RULES: ImportRule[] = [{ from: "hf://org/*", repositories: "*" }];
const MINUTE_MS = 60_000;

async function world(...names: RepositoryName[]): Promise<{ app: MemoryApp; pusher: Pusher }> {
  const app = await memoryApp();
  const pusher = new Pusher(app.admin, app.stores.fetch);
  for (const name of [MODEL, ...names]) await pusher.create(name);
  return { app, pusher };
}

const ask = ({ admin }: MemoryApp, { from = FROM, id = operationId(), repository = MODEL } = {}) =>
  admin.call("startImport", { repository, body: { from, operationId: id } });
const lease = ({ admin }: MemoryApp, rules = RULES) => admin.call("leaseImport", { body: { executor: "one", rules } });
const importsOf = async ({ admin }: MemoryApp, repository = MODEL) => (await admin.call("listImports", { repository })).imports;
const events = async ({ admin }: MemoryApp) =>
  (await admin.call("listEvents", { query: { after: "0-0", limit: "500" } })).events.filter(({ type }) => type.startsWith("import."));

/** What an executor does. */
async function perform({ app, pusher }: Awaited<ReturnType<typeof world>>, task: LeasedImport | null, text = "1") {
  const { id, repository, lease: name, fence } = LeasedImport.parse(task);
  const { revision } = await pusher.push(repository, { a: text }, { operationId: id });
  return app.admin.call("finishImport", {
    repository,
    params: { import: id },
    body: { lease: name, fence, revision: revision.revision, files: 1, bytes: text.length },
  });
}

test("an import is asked for once however often, done once, and told of", async () => {
  const one = await world();
  const { app } = one;
  const id = operationId();
  for (let count = 0; count < 3; count++) assert.equal((await ask(app, { id })).state, "waiting");
  const { task } = await lease(app);
  assert.deepEqual([task?.id, task?.repository, task?.branch], [id, MODEL, "main"]);
  assert.equal((await lease(app)).task, null);
  assert.deepEqual(
    (await importsOf(app)).map(({ state, executor }) => [state, executor]),
    [["running", "one"]],
  );
  assert.equal((await perform(one, task)).state, "done");
  assert.equal((await lease(app)).task, null);
  assert.equal((await ask(app, { id })).state, "done", "the same request again is the same import");
  assert.deepEqual(await app.ports.stores.home.bucket.list("imports/"), { objects: [], more: false });
  assert.deepEqual(
    (await events(app)).map(({ type, about }) => [type, about["job"]]),
    [
      ["import.begun", id],
      ["import.completed", id],
    ],
  );
});

test("what waits outlives the index; one whose executor is gone is given out again, and makes one revision", async () => {
  const one = await world();
  const { app } = one;
  await ask(app);
  const first = LeasedImport.parse((await lease(app)).task);
  app.clock.advance(2 * MINUTE_MS);
  await app.ports.boards.wipe(`imports:${(await app.admin.call("describeRepository", { repository: MODEL })).id}`, [first.id]);
  const second = LeasedImport.parse((await lease(app)).task);
  assert.equal(second.id, first.id);
  assert.ok(second.fence > first.fence);
  // The first was not dead: it commits, and what the second commits after it is refused as the same import.
  const { revision } = await one.pusher.push(MODEL, { a: "1" }, { operationId: first.id });
  await assert.rejects(one.pusher.push(MODEL, { a: "1" }, { operationId: first.id }), { code: "REQUEST_INVALID" });
  const held = { lease: first.lease, fence: first.fence };
  const params = { import: first.id };
  await assert.rejects(app.admin.call("extendImport", { repository: MODEL, params, body: held }), { code: "TASK_LOST" });
  await assert.rejects(app.admin.call("finishImport", { repository: MODEL, params, body: { ...held, problem: "late" } }), {
    code: "TASK_LOST",
  });
  const body = { lease: second.lease, fence: second.fence, revision: revision.revision };
  assert.equal((await app.admin.call("finishImport", { repository: MODEL, params, body })).state, "done");
  assert.equal((await app.admin.call("listRevisions", { repository: MODEL })).revisions.length, 1);
});

test("an executor gets what its rules and its token allow, and one import at a time of each repository", async () => {
  const other = repositoryName("other/model");
  const { app } = await world(other);
  await ask(app, { from: "s3://models/llama/" });
  await ask(app, { from: "s3://models/llama-2/" });
  await ask(app, { from: "s3://models/llama/", repository: other });
  for (const from of ["hf://*", "s3://model/*", "s3://models/ll", "s3://models/llama/a/*", "/s3/*"])
    assert.equal((await lease(app, [{ from, repositories: "*" }])).task, null, from);
  assert.equal((await lease(app, [{ from: "s3://models/*", repositories: "third/*" }])).task, null);
  const member = await app.member({ repositories: "other/*", actions: ["push"] });
  const all = [{ from: "s3://models", repositories: "*" }];
  const theirs = await member.call("leaseImport", { body: { executor: "two", rules: all } });
  assert.equal(theirs.task?.repository, other);
  assert.equal((await lease(app, all)).task?.from, "s3://models/llama/");
  assert.equal((await lease(app, all)).task, null, "the second into the same repository waits");
});

test("a failure is tried again later, ever less often, eight times; one that would come again ends it at once", async () => {
  const { app } = await world();
  await ask(app);
  const fail = async (again: boolean) => {
    const { id, lease: name, fence } = LeasedImport.parse((await lease(app)).task);
    const body = { lease: name, fence, problem: "no answer", again };
    return app.admin.call("finishImport", { repository: MODEL, params: { import: id }, body });
  };
  const pauses: number[] = [];
  for (let count = 1; count < 8; count++) {
    const { state, againAt } = await fail(true);
    assert.equal(state, "retrying");
    assert.equal((await lease(app)).task, null);
    pauses.push((Date.parse(againAt ?? "") - app.clock.now()) / 1000);
    app.clock.advance(Date.parse(againAt ?? "") - app.clock.now());
  }
  assert.deepEqual(pauses, [20, 40, 80, 160, 320, 640, 900]);
  assert.equal((await fail(true)).state, "failed");
  await ask(app);
  assert.equal((await fail(false)).state, "failed");
  assert.deepEqual(
    (await events(app)).filter(({ type }) => type === "import.failed").map(({ about }) => [about["failures"], about["problem"]]),
    [
      [8, "no answer"],
      [1, "no answer"],
    ],
  );
});

test("a cancelled import is given to nobody, and its executor hears of it", async () => {
  const { app } = await world();
  const { id } = await ask(app);
  const { lease: name, fence } = LeasedImport.parse((await lease(app)).task);
  const params = { import: id };
  await app.admin.call("cancelImport", { repository: MODEL, params });
  const call = app.admin.call("extendImport", { repository: MODEL, params, body: { lease: name, fence } });
  await assert.rejects(call, { code: "TASK_LOST" });
  assert.deepEqual([(await lease(app)).task, (await importsOf(app))[0]?.state], [null, "cancelled"]);
  await assert.rejects(app.admin.call("cancelImport", { repository: MODEL, params }), { code: "IMPORT_UNKNOWN" });
});

test("imports into a repository that is gone are given to nobody, and go a month later", async () => {
  const { app } = await world();
  await ask(app);
  await app.admin.call("deleteRepository", { repository: MODEL, query: { operationId: operationId() } });
  const kept = async () => (await app.ports.stores.home.bucket.list("imports/")).objects.length;
  assert.deepEqual([(await lease(app)).task, await kept()], [null, 1]);
  app.clock.advance(32 * 24 * 60 * MINUTE_MS);
  assert.deepEqual([(await lease(app)).task, await kept()], [null, 0]);
});

const SOURCES = [
  ["hf://org/model", true],
  ["hf://datasets/org/data@refs/pr/1", true],
  ["s3://bucket/a b/c", true],
  ["/models/llama", true],
  ["https://host.example/a.bin", true],
  ["hf://org/..", false],
  ["hf://org", false],
  ["s3://bucket/../other", false],
  ["/models/../etc", false],
  ["//host/share", false],
  ["models", false],
  ["https://host.example/a.bin?signature=1", false],
  ["https://user:word@host.example/a", false],
  ["https://host.example/%2e%2e/a", false],
  ["https://HOST.example/a", false],
  ["file:///etc/passwd", false],
  ["https://host.example\\@other.example/a", false],
] as const;
for (const [from, isOne] of SOURCES)
  test(`${JSON.stringify(from)} is ${isOne ? "a" : "no"} source`, async () => {
    const { app } = await world();
    if (isOne) assert.equal((await ask(app, { from })).from, from);
    else await assert.rejects(ask(app, { from }), { code: "REQUEST_INVALID" });
  });

test("a repository takes a hundred imports that are not done, and no more", async () => {
  const { app } = await world();
  for (let count = 0; count < 100; count++) await ask(app);
  await assert.rejects(ask(app), { code: "REQUEST_INVALID" });
  assert.equal(OperationId.safeParse((await lease(app)).task?.id).success, true);
});
