import assert from "node:assert/strict";
import { test } from "node:test";
import { append } from "../../../functions/registry/log.ts";
import { systemLog } from "../../../functions/registry/logs.ts";
import { tendIndex } from "../../../functions/registry/recovery/beat.ts";
import { goOnRebuilding, rebuildStatus, startRebuild, stepRebuild } from "../../../functions/registry/recovery/rebuild.ts";
import type { RebuildRun } from "../../../shared/contract/recovery.ts";
import type { RepositoryId } from "../../../shared/contract/repositories.ts";
import { FerryError } from "../../../shared/errors.ts";
import { makeToken, repositoryIdOf } from "../../support/chain.ts";
import { type MemoryApp, memoryApp, operationId, repositoryName } from "../../support/memory-app.ts";
import { digestOf, Pusher } from "../../support/pusher.ts";
import { assertWhole, commitTo, IDS, lookUntilDone, type RecoveryWorld, recoveryWorld } from "../../support/recovery-world.ts";

const [A] = IDS as [RepositoryId];
const DAY_MS = 86_400_000;
const ADMIN = ["pull", "push", "tag", "delete", "admin"] as const;

async function rebuilt({ ports }: Pick<RecoveryWorld, "ports">): Promise<RebuildRun> {
  let { run } = await startRebuild(ports);
  for (let steps = 0; run !== null && run.phase !== "done"; steps++) {
    assert.ok(steps < 500, "500 steps were not enough");
    ({ run } = await stepRebuild(ports));
  }
  assert.ok(run !== null);
  return run;
}

/** Repositories with shared and own chunks, tags, revisions in the trash and purged ones, a repository in the trash, tokens. */
async function fullApp(): Promise<MemoryApp> {
  const app = await memoryApp({ modes: ["payload", "md5"] });
  const pusher = new Pusher(app.admin, app.stores.fetch);
  const [model, tuned, gone] = [repositoryName("team/model"), repositoryName("team/tuned"), repositoryName("team/gone")];
  for (const repository of [model, tuned, gone]) {
    await pusher.create(repository);
    app.clock.advance(1000);
  }
  const first = await pusher.push(model, { a: "aaaa", shared: "ssss" });
  const second = await pusher.push(model, { a: "a2a2", shared: "ssss" });
  await pusher.push(tuned, { own: "oooo", shared: "ssss" });
  await pusher.push(gone, { lost: "llll" });
  const revisions = [first.revision.revision];
  await app.admin.call("trashRevisions", { repository: model, body: { revisions, operationId: operationId() } });
  await app.admin.call("purgeRevisions", { repository: model, body: { revisions, now: true, operationId: operationId() } });
  const third = await pusher.push(model, { a: "a3a3" });
  await app.admin.call("setTag", {
    repository: model,
    params: { tag: "v1" },
    body: { ref: second.revision.revision, operationId: operationId() },
  });
  await pusher.push(model, { a: "a4a4" });
  await app.admin.call("trashRevisions", { repository: model, body: { revisions: [third.revision.revision], operationId: operationId() } });
  await app.admin.call("deleteRepository", { repository: gone, query: { operationId: operationId() } });
  await app.admin.call("createToken", { body: { name: "robot", scopes: [{ repositories: "*", actions: [...ADMIN] }] } });
  return app;
}

/** All that an index answers about what it holds, and the chunk index as it is. */
async function contentOf(app: MemoryApp) {
  const { system, repositories, chunks } = app.indexes;
  const living = await system.listRepositories({ limit: 100 });
  const trash = await system.listTrash({ limit: 100 });
  const logs = [];
  for (const { id } of [...living, ...trash]) {
    logs.push({ refs: await repositories.refs(id), revisions: await repositories.listRevisions(id, { limit: 100 }) });
  }
  return { living, trash, tokens: await system.listTokens(), logs, chunks: new Map([...chunks.entries].sort()) };
}

test("a wiped index is rebuilt to what it was, but for hints about chunks that nothing names any more", async () => {
  const app = await fullApp();
  const before = await contentOf(app);
  app.indexes.wipe();
  const run = await rebuilt(app);
  const after = await contentOf(app);
  assert.ok(before.chunks.delete(digestOf("aaaa")), "the purged revision's own chunk");
  assert.deepEqual(after, before);
  assert.deepEqual([run.healedLogs, run.revisions, run.entries, run.damaged], [4, 5, 6, []]);
  assert.equal((await lookUntilDone(app)).state, "sound");
});

test("on an index that is known to be whole it changes nothing", async () => {
  const app = await fullApp();
  await lookUntilDone(app);
  await rebuilt(app);
  const before = await contentOf(app);
  const run = await rebuilt(app);
  assert.deepEqual(await contentOf(app), before);
  assert.deepEqual([run.healedLogs, run.healedRecords, run.entries, run.passes], [0, 0, 0, 1]);
});

test("an index that is older than half of the time for which collection keeps its flags loses its hints about chunks, and gets true ones", async () => {
  const app = await fullApp();
  await rebuilt(app);
  const stale = digestOf("a chunk that was collected long ago");
  const [entry] = app.indexes.chunks.entries.values();
  assert.ok(entry !== undefined);
  app.indexes.chunks.entries.set(stale, entry);
  app.clock.advance(14 * DAY_MS);
  await rebuilt(app);
  assert.ok(app.indexes.chunks.entries.has(stale), "what is younger is stopped by the flags");
  app.clock.advance(16 * DAY_MS);
  const run = await rebuilt(app);
  assert.deepEqual([app.indexes.chunks.entries.has(stale), run.entries], [false, 6]);
});

test("the bell brings back all of an index that was lost, hints about chunks included", async () => {
  const app = await fullApp();
  await rebuilt(app);
  const before = await contentOf(app);
  app.indexes.wipe();
  for (let bells = 0; bells < 5; bells++) await tendIndex(app.ports);
  assert.deepEqual(await contentOf(app), before);
});

test("every key of the index can be lost: what was answered before is answered after", async () => {
  const app = await fullApp();
  const before = await contentOf(app);
  before.chunks.delete(digestOf("aaaa"));
  const [first] = before.living;
  const keys = [
    "sys",
    "sys:names",
    "sys:order",
    "sys:tokens",
    "repo:ID",
    "repo:ID:revisions",
    "repo:ID:order",
    "note:sound",
    "note:rebuild",
  ];
  for (const key of [...keys, ...[..."0123456789abcdef"].map((digit) => `chunks:${digit}`)]) {
    app.indexes.loseKey(key.replace("ID", first?.id ?? ""));
    await rebuilt(app);
    const after = await contentOf(app);
    after.chunks.delete(digestOf("aaaa"));
    assert.deepEqual(after, before, key);
  }
});

test("unfinished uploads go on: what they proved stays proven", async () => {
  const app = await fullApp();
  const pusher = new Pusher(app.admin, app.stores.fetch);
  const repository = repositoryName("team/model");
  const files = { z: "zzzz" };
  const { upload, parent } = await pusher.open(repository);
  const reservation = await pusher.reserve(repository, upload, files);
  await pusher.send(reservation, files);
  await pusher.confirm(repository, upload, reservation);
  app.indexes.loseKey("sys:names");
  await rebuilt(app);
  const revision = await pusher.commit(repository, upload, files, { parent });
  assert.equal(revision.newChunks, 1);
});

test("a step that is killed anywhere is done again, and the run ends", async () => {
  const world = await recoveryWorld();
  for (const id of IDS) for (let at = 0; at < 5; at++) await commitTo(world, id);
  const forgetful = { ports: { ...world.ports, cache: { get: () => undefined, set: () => {} } } };
  let deaths = 0;
  for (let died = true; died; deaths++) {
    world.app.indexes.wipe();
    let calls = 0;
    const die = () => {
      if (calls++ === deaths) throw new FerryError("INDEX_UNAVAILABLE", { problem: "killed" });
    };
    Object.assign(world.hooks, { onIndex: die, onBucket: die });
    died = await rebuilt(forgetful).then(
      () => false,
      () => true,
    );
    Object.assign(world.hooks, { onIndex: () => {}, onBucket: () => {} });
    await rebuilt(world);
    await assertWhole(world, `after a death at call ${deaths}`);
  }
  assert.ok(deaths > 30, `${deaths} points`);
});

test("a step ends in time, and the next goes on where it stopped", async () => {
  const world = await recoveryWorld();
  const ids = Array.from({ length: 700 }, (_, at) => repositoryIdOf(`many ${at}`));
  for (const id of ids) await commitTo(world, id);
  world.app.indexes.wipe();
  // Each call of the store takes a tenth of a second.
  world.hooks.onBucket = () => world.app.clock.advance(100);
  await startRebuild(world.ports);
  const logs: number[] = [];
  for (let run = null as RebuildRun | null; run?.phase !== "done"; { run } = await stepRebuild(world.ports)) {
    logs.push((await rebuildStatus(world.ports)).run?.logs ?? 0);
  }
  assert.ok(logs.length >= 4, `${logs}`);
  assert.deepEqual([...new Set(logs.slice(0, 3))].length, 3, `${logs}`);
  for (const id of ids) assert.equal((await world.app.indexes.repositories.head(id))?.seq, 1);
});

test("what goes back during the run is seen in another pass", async () => {
  const world = await recoveryWorld();
  for (const id of IDS) for (let at = 0; at < 3; at++) await commitTo(world, id);
  world.app.clock.advance(3_600_000);
  const undo = world.app.indexes.snapshot();
  for (const id of IDS) await commitTo(world, id);
  world.app.clock.advance(3_600_000);
  undo();
  const run = await rebuilt(world);
  assert.deepEqual([run.passes, run.healedRecords], [2, 3]);
  await assertWhole(world, "after the run");
});

test("a log that lost a record is named, and all others are rebuilt", async () => {
  const world = await recoveryWorld();
  for (const id of IDS) for (let at = 0; at < 3; at++) await commitTo(world, id);
  await world.app.stores.home.bucket.delete([`repositories/${A}/log/000000000002.json`]);
  world.app.indexes.wipe();
  const run = await rebuilt(world);
  assert.equal(run.damaged.length, 1);
  assert.match(run.damaged[0] ?? "", /record 2 is missing/);
  for (const id of IDS) assert.equal((await world.app.indexes.repositories.head(id))?.seq ?? null, id === A ? null : 3);
});

test("two callers do not work on it at once, and a lost note only begins it anew", async () => {
  const world = await recoveryWorld();
  for (const id of IDS) await commitTo(world, id);
  world.app.indexes.wipe();
  await world.ports.leases.acquire("rebuild", "another", 60_000);
  assert.deepEqual(await goOnRebuilding(world.ports), { run: null, busy: true });
  await world.ports.leases.release("rebuild", "another");
  await startRebuild(world.ports);
  world.app.indexes.loseKey("note:rebuild");
  assert.equal((await stepRebuild(world.ports)).run, null);
  await rebuilt(world);
  await assertWhole(world, "after the run");
});

test("a deployment with tokens and no repository is rebuilt, too", async () => {
  const world = await recoveryWorld();
  const act = { operationId: operationId(), actor: "a test" };
  await append(systemLog(world.ports), act, async () => makeToken("one"));
  world.app.indexes.wipe();
  await rebuilt(world);
  assert.equal((await world.app.indexes.system.listTokens()).length, 1);
});
