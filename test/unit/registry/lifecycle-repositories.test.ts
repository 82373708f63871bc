import assert from "node:assert/strict";
import { test } from "node:test";
import { Margins } from "../../../functions/registry/collect/margins.ts";
import { PURGE_NOTE_PREFIX, purgeNoteKey, repositoryLogPrefix, SYSTEM_LOG_PREFIX } from "../../../functions/registry/layout.ts";
import { listAll } from "../../../functions/registry/listing.ts";
import type { Ports } from "../../../functions/registry/ports.ts";
import { encodeRecord } from "../../../functions/registry/records.ts";
import { finishPurges } from "../../../functions/registry/trashed-repositories.ts";
import type { FerryClient } from "../../../shared/client.ts";
import { FerryError } from "../../../shared/errors.ts";
import { OperationId, type RepositoryName } from "../../../shared/names.ts";
import { operationId, repositoryName } from "../../support/memory-app.ts";
import type { Files } from "../../support/pusher.ts";
import { calls, codeOf, collect, DAY_MS, logLength, MODEL, makeWorld, readWhole, records, type World } from "./lifecycle-world.ts";

const FILES: Files = { a: "first", b: "second" };
const OTHER = repositoryName("team/other");

const eager = (ports: Ports): Ports => ({
  ...ports,
  margins: Margins.parse({ chunkAgeMs: 0, intentWaitMs: 0, skewMs: 0, shareMax: 1 }),
});

const remove = ({ admin }: World, operation = operationId()) =>
  admin.call("deleteRepository", { repository: MODEL, query: { operationId: operation } });

const restore = ({ admin, id }: World, repository?: RepositoryName, client: FerryClient = admin) =>
  client.call("restoreRepository", {
    params: { id },
    body: { operationId: operationId(), ...(repository === undefined ? {} : { repository }) },
  });

const purge = ({ admin, id }: World, { now = false, operation = operationId(), client = admin as FerryClient } = {}) =>
  client.call("purgeRepository", { params: { id }, body: { now, operationId: operation } });

const trash = async (client: FerryClient) => (await client.call("listTrash", { query: {} })).repositories;

async function trashedWorld(): Promise<World> {
  const world = await makeWorld({ decorate: eager });
  await world.push(FILES);
  await calls.tag(world, "v1", "main");
  await calls.lock(world, "v1");
  await remove(world);
  return world;
}

test("a deleted repository is unknown, its name is free, and it comes back whole under a name that is free", async () => {
  const world = await makeWorld({ decorate: eager });
  await world.push(FILES);
  await calls.tag(world, "v1", "main");
  const before = await world.admin.call("describeRepository", { repository: MODEL });
  await remove(world);
  assert.equal(await codeOf(calls.resolve(world, "main")), "REPOSITORY_UNKNOWN");
  const [entry] = await trash(world.admin);
  assert.deepEqual([entry?.id, entry?.repository, entry?.deletedBy], [world.id, MODEL, "bootstrap"]);
  assert.equal(Date.parse(entry?.purgeableAt ?? "") - Date.parse(entry?.deletedAt ?? ""), 14 * DAY_MS);
  await world.pusher.create(MODEL);
  await world.push({ unrelated: "unrelated" });
  assert.equal(await codeOf(restore(world)), "REPOSITORY_EXISTS");
  assert.equal((await collect(world)).garbage, 0);
  assert.equal((await restore(world, OTHER)).id, world.id);
  assert.deepEqual(await readWhole(world, OTHER, "v1"), FILES);
  assert.deepEqual(await world.admin.call("describeRepository", { repository: OTHER }), { ...before, repository: OTHER });
  assert.deepEqual(await trash(world.admin), []);
});

test("a purge takes 14 days, or an administrator of the deployment; then nothing of the repository is left but its log", async () => {
  const world = await trashedWorld();
  const admin = await world.app.member({ repositories: "team/*", actions: ["admin"] });
  assert.equal(await codeOf(purge(world, { client: admin })), "TRASH_TOO_YOUNG");
  assert.equal(await codeOf(purge(world, { client: admin, now: true })), "PERMISSION_DENIED");
  world.app.clock.advance(14 * DAY_MS);
  assert.equal(await codeOf(purge(world, { client: admin })), "OK");
  assert.deepEqual([await codeOf(restore(world)), await codeOf(purge(world))], ["REPOSITORY_UNKNOWN", "REPOSITORY_UNKNOWN"]);
  assert.deepEqual(await trash(world.admin), []);
  assert.deepEqual(await collect(world), { deleted: 2, garbage: 2 });
  const { bucket } = world.app.stores.home;
  assert.equal((await listAll(bucket, PURGE_NOTE_PREFIX)).length, 0);
  assert.equal((await listAll(bucket, "manifests/")).length, 0);
});

test("who may not delete under the old name can't restore or purge, and who may not pull it learns no name", async () => {
  const world = await trashedWorld();
  const stranger = await world.app.member({ repositories: "other/*", actions: ["admin"] });
  const reader = await world.app.member({ repositories: "team/*", actions: ["pull", "push", "tag"] });
  const deleter = await world.app.member({ repositories: MODEL, actions: ["pull", "delete"] });
  const refusal = await purge(world, { client: stranger }).catch((error: unknown) => error);
  assert.ok(refusal instanceof FerryError && refusal.code === "REPOSITORY_UNKNOWN");
  assert.ok(!refusal.message.includes(MODEL), refusal.message);
  assert.equal(await codeOf(restore(world, undefined, stranger)), "REPOSITORY_UNKNOWN");
  assert.deepEqual(
    [await codeOf(restore(world, undefined, reader)), await codeOf(purge(world, { client: reader }))],
    ["PERMISSION_DENIED", "PERMISSION_DENIED"],
  );
  assert.deepEqual([await trash(stranger), await trash(reader), (await trash(deleter)).length], [[], [], 1]);
  assert.equal(await codeOf(restore(world, undefined, deleter)), "PERMISSION_DENIED");
  assert.equal((await trash(world.admin)).length, 1);
});

/** The next write of a key with this prefix fails, before or after it is written. */
function failNext({ app }: World, prefix: string, when: "before" | "after"): void {
  const { bucket } = app.stores.home;
  const create = bucket.create.bind(bucket);
  bucket.create = async (key, bytes) => {
    if (!key.startsWith(prefix)) return create(key, bytes);
    bucket.create = create;
    if (when === "after") await create(key, bytes);
    throw new FerryError("STORAGE_UNAVAILABLE", { store: "home", problem: "injected" });
  };
}

const CRASHES = [
  { at: "before the system record", prefix: () => SYSTEM_LOG_PREFIX, when: "before" },
  { at: "after the system record", prefix: () => SYSTEM_LOG_PREFIX, when: "after" },
  { at: "before the end record", prefix: ({ id }: World) => repositoryLogPrefix(id), when: "before" },
  { at: "after the end record", prefix: ({ id }: World) => repositoryLogPrefix(id), when: "after" },
] as const;

for (const { at, prefix, when } of CRASHES) {
  test(`a purge that dies ${at} is finished by its retry, also with a wiped index, once`, async () => {
    const world = await trashedWorld();
    const before = await logLength(world, world.id);
    failNext(world, prefix(world), when);
    const operation = operationId();
    assert.equal(await codeOf(purge(world, { now: true, operation })), "STORAGE_UNAVAILABLE");
    world.app.indexes.wipe();
    for (let repeat = 0; repeat < 2; repeat++) await purge(world, { now: true, operation });
    assert.equal(await logLength(world, world.id), before + 1);
    assert.deepEqual(await collect(world), { deleted: 2, garbage: 2 });
    assert.equal((await listAll(world.app.stores.home.bucket, PURGE_NOTE_PREFIX)).length, 0);
  });

  test(`a purge that dies ${at} and is never repeated leaves nothing live unprotected, and nothing for ever`, async () => {
    const world = await trashedWorld();
    failNext(world, prefix(world), when);
    assert.equal(await codeOf(purge(world, { now: true })), "STORAGE_UNAVAILABLE");
    world.app.indexes.wipe();
    const restored = await codeOf(restore(world));
    await finishPurges(world.app.ports);
    await collect(world);
    await collect(world);
    if (restored === "OK") assert.deepEqual(await readWhole(world, MODEL, "main"), FILES);
    else assert.equal((await listAll(world.app.stores.home.bucket, "chunks/")).length, 0);
    assert.equal(restored, at === "before the system record" ? "OK" : "REPOSITORY_UNKNOWN");
    // What was restored may be deleted and purged later: then the old note goes, too.
    if (restored === "OK") {
      await remove(world);
      await purge(world, { now: true });
      await finishPurges(world.app.ports);
    }
    assert.equal((await listAll(world.app.stores.home.bucket, PURGE_NOTE_PREFIX)).length, 0);
  });
}

test("a note of a purge ends nothing by itself: not what lives, not what is in the trash, not after the index was set back", async () => {
  const world = await makeWorld({ decorate: eager });
  await world.push(FILES);
  const back = world.app.indexes.snapshot();
  const note = { v: 1, repositoryId: world.id, operationId: OperationId.parse("never-happened-00"), sinceSeq: 0 };
  await world.app.stores.home.bucket.put(purgeNoteKey(world.id, note.operationId), encodeRecord(note));
  for (const step of [async () => {}, () => remove(world), async () => back(), async () => world.app.indexes.wipe()]) {
    await step();
    await finishPurges(world.app.ports);
  }
  await restore(world);
  assert.deepEqual(await readWhole(world, MODEL, "main"), FILES);
});

test("a commit that was under way when its repository was purged is refused, not lost after it was acknowledged", async () => {
  const world = await makeWorld({ decorate: eager });
  await world.push(FILES);
  const { upload, parent } = await world.pusher.open(MODEL);
  const files = { ...FILES, c: "third" };
  const reservation = await world.pusher.reserve(MODEL, upload, files);
  await world.pusher.send(reservation, files);
  await world.pusher.confirm(MODEL, upload, reservation);
  const removed = remove(world).then(() => purge(world, { now: true }));
  const [outcome] = await Promise.all([codeOf(world.pusher.commit(MODEL, upload, files, { parent })), removed]);
  const length = await logLength(world, world.id);
  // Its refs are gone with it, which is what a commit looks at first.
  assert.ok(["OK", "REPOSITORY_UNKNOWN", "BRANCH_MOVED"].includes(outcome), outcome);
  assert.equal(length, outcome === "OK" ? 3 : 2);
});

test("an operation id that made a repository does not bring it back from the trash, nor go on with what was purged", async () => {
  const world = await makeWorld({ decorate: eager });
  const operation = operationId();
  const create = () => world.admin.call("createRepository", { body: { repository: OTHER, operationId: operation } });
  const { id } = await create();
  await world.push(FILES, { repository: OTHER });
  await world.admin.call("deleteRepository", { repository: OTHER, query: { operationId: operationId() } });
  // So many acts later the index does not remember the operation any more.
  for (let at = 0; at < 257; at++) await world.app.member({ repositories: "a/b", actions: ["pull"] });
  const before = await records(world);
  assert.equal(await codeOf(create()), "REQUEST_INVALID");
  await world.admin.call("purgeRepository", { params: { id }, body: { now: true, operationId: operationId() } });
  assert.equal(await codeOf(create()), "REQUEST_INVALID");
  assert.equal((await records(world)).length, before.length + 2);
});

test("a wiped index comes back with the deployment's trash as it was", async () => {
  const world = await trashedWorld();
  await world.pusher.create(OTHER);
  await world.admin.call("deleteRepository", { repository: OTHER, query: { operationId: operationId() } });
  const before = await trash(world.admin);
  assert.equal(before.length, 2);
  world.app.indexes.wipe();
  assert.deepEqual(await trash(world.admin), before);
  const pages = [];
  for (let cursor: string | null | undefined; cursor !== null; ) {
    const page = await world.admin.call("listTrash", { query: { limit: 1, ...(cursor === undefined ? {} : { cursor }) } });
    pages.push(...page.repositories);
    cursor = page.next;
  }
  assert.deepEqual(pages, before);
});
