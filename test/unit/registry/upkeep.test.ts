import assert from "node:assert/strict";
import { test } from "node:test";
import { SESSION_PREFIX } from "../../../functions/registry/layout.ts";
import { listAll } from "../../../functions/registry/listing.ts";
import { upkeepStep } from "../../../functions/registry/upkeep.ts";
import { type MemoryApp, memoryApp, operationId, repositoryName } from "../../support/memory-app.ts";
import { Pusher } from "../../support/pusher.ts";

const MODEL = repositoryName("team/model");
const DAY_MS = 86_400_000;

/** Goes around once; a step more changes nothing until a day is over. */
async function around(app: MemoryApp): Promise<void> {
  for (let steps = 0; steps < 20; steps++) if ((await upkeepStep(app.ports)) < 10) break;
  assert.equal(await upkeepStep(app.ports), 0);
}

async function alive(app: MemoryApp): Promise<number> {
  return (await app.admin.call("describeRepository", { repository: MODEL })).revisionCount;
}

test("retention rules are kept without anybody, and what they trash is purged when its days are over", async () => {
  const app = await memoryApp();
  const pusher = new Pusher(app.admin, app.stores.fetch);
  for (let at = 0; at < 12; at++) await pusher.create(repositoryName(`other/model-${at}`));
  await pusher.create(MODEL);
  for (let at = 0; at < 5; at++) await pusher.push(MODEL, { weights: `weights ${at}` });
  await around(app);
  assert.equal(await alive(app), 5);
  await app.admin.call("setSettings", {
    repository: MODEL,
    body: { settings: { retention: { keepLast: 2 } }, operationId: operationId() },
  });
  app.clock.advance(DAY_MS);
  await around(app);
  assert.equal(await alive(app), 2);
  const trashed = async () => (await app.admin.call("listRevisions", { repository: MODEL, query: { deleted: "true" } })).revisions.length;
  assert.equal(await trashed(), 3);
  for (let day = 0; day < 14; day++) {
    app.clock.advance(DAY_MS);
    await around(app);
  }
  assert.equal(await trashed(), 0);
  assert.equal(await alive(app), 2);
});

test("a repository whose days in the trash are over is purged; a younger one stays", async () => {
  const app = await memoryApp();
  const pusher = new Pusher(app.admin, app.stores.fetch);
  const remove = (repository: typeof MODEL) => app.admin.call("deleteRepository", { repository, query: { operationId: operationId() } });
  const late = repositoryName("team/late");
  for (const repository of [MODEL, late]) await pusher.create(repository);
  await remove(MODEL);
  app.clock.advance(10 * DAY_MS);
  await remove(late);
  app.clock.advance(5 * DAY_MS);
  await around(app);
  const { repositories } = await app.admin.call("listTrash", { query: {} });
  assert.deepEqual(
    repositories.map(({ repository }) => repository),
    [late],
  );
});

test("what sessions of many writers left in the bucket goes with collection, two weeks later", async () => {
  const app = await memoryApp();
  await app.stores.home.bucket.put(`${SESSION_PREFIX}old`, new Uint8Array(1));
  app.clock.advance(15 * DAY_MS);
  await app.stores.home.bucket.put(`${SESSION_PREFIX}young`, new Uint8Array(1));
  await app.admin.call("startCollect", { body: {} });
  assert.deepEqual(
    (await listAll(app.stores.home.bucket, SESSION_PREFIX)).map(({ key }) => key),
    [`${SESSION_PREFIX}young`],
  );
});
