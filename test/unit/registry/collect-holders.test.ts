/** Who is told `have` after a purge: what only a clone keeps is the clone's readers' alone. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Margins } from "../../../functions/registry/collect/margins.ts";
import type { FerryClient } from "../../../shared/client.ts";
import type { Digest } from "../../../shared/digest.ts";
import type { RepositoryName, RevisionId } from "../../../shared/names.ts";
import { type MemoryApp, memoryApp, operationId, refName, repositoryName } from "../../support/memory-app.ts";
import { digestOf, Pusher } from "../../support/pusher.ts";

const MODEL = repositoryName("team/model");
const CLONE = repositoryName("private/clone");
const OTHER = repositoryName("other/own");
const MARGINS = Margins.parse({ chunkAgeMs: 0, intentWaitMs: 0, skewMs: 0, shareMax: 1 });

type World = { app: MemoryApp; first: RevisionId; reader: FerryClient };

/** Two revisions of a model, of which the first is cloned; and somebody who may pull the model, and push elsewhere. */
async function world(): Promise<World> {
  const app = await memoryApp({ decorate: (ports) => ({ ...ports, margins: MARGINS }) });
  const pusher = new Pusher(app.admin, app.stores.fetch);
  for (const repository of [MODEL, OTHER]) await pusher.create(repository);
  const { revision } = await pusher.push(MODEL, { gone: "only the first", kept: "both", odd: "first and third" });
  await pusher.push(MODEL, { kept: "both" });
  await pusher.push(MODEL, { kept: "both", odd: "first and third" });
  const from = { from: MODEL, ref: revision.revision, branch: refName("main"), operationId: operationId() };
  await app.admin.call("clone", { repository: CLONE, body: { ...from, message: "kept here" } });
  const reader = await app.member({ repositories: "team/*", actions: ["pull"] }, { repositories: "other/*", actions: ["pull", "push"] });
  return { app, first: revision.revision, reader };
}

async function haveOf({ app, reader }: World, repository: RepositoryName, texts: string[], client = reader): Promise<Digest[]> {
  const pusher = new Pusher(client, app.stores.fetch);
  const { upload } = await pusher.open(repository, refName(`look-${operationId()}`));
  return (await pusher.reserve(repository, upload, Object.fromEntries(texts.map((text) => [text, text])))).have;
}

async function purge({ app, first }: World): Promise<void> {
  const body = { revisions: [first], operationId: operationId() };
  await app.admin.call("trashRevisions", { repository: MODEL, body });
  await app.admin.call("purgeRevisions", { repository: MODEL, body: { ...body, now: true, operationId: operationId() } });
}

async function collect({ app }: World): Promise<void> {
  app.clock.advance(1);
  let { run } = await app.admin.call("startCollect", { body: { dryRun: false } });
  while (run !== null && run.phase !== "done" && run.phase !== "aborted") ({ run } = await app.admin.call("stepCollect", {}));
  assert.deepEqual([run?.phase, run?.missing], ["done", 0]);
}

const ALL = ["only the first", "both", "first and third"];

test("a reader of a repository hears `have` for what it holds, and after a purge and a collection not for what only a clone keeps", async () => {
  const ground = await world();
  assert.deepEqual((await haveOf(ground, OTHER, ALL)).sort(), ALL.map(digestOf).sort());
  await purge(ground);
  await collect(ground);
  assert.deepEqual((await haveOf(ground, OTHER, ALL)).sort(), ["both", "first and third"].map(digestOf).sort());
});

test("the clone keeps what it has, and pushes on top of it without sending it", async () => {
  const ground = await world();
  await purge(ground);
  await collect(ground);
  const { app } = ground;
  const pusher = new Pusher(app.admin, app.stores.fetch);
  const files = { gone: "only the first", kept: "both", odd: "first and third", more: "more" };
  assert.equal((await pusher.push(CLONE, files)).sent, 1);
  await collect(ground);
});

test("of a repository that is purged as a whole nothing is offered any more, and what its clone has stays", async () => {
  const ground = await world();
  const { app } = ground;
  const { id } = await app.admin.call("describeRepository", { repository: MODEL });
  await app.admin.call("deleteRepository", { repository: MODEL, query: { operationId: operationId() } });
  await app.admin.call("purgeRepository", { params: { id }, body: { now: true, operationId: operationId() } });
  await collect(ground);
  assert.deepEqual(await haveOf(ground, OTHER, ALL, app.admin), []);
  assert.equal((await new Pusher(app.admin, app.stores.fetch).push(CLONE, { kept: "both" })).sent, 0);
});
