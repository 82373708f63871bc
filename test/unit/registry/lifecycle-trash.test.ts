import assert from "node:assert/strict";
import { test } from "node:test";
import { Margins } from "../../../functions/registry/collect/margins.ts";
import type { Ports } from "../../../functions/registry/ports.ts";
import type { RevisionId } from "../../../shared/names.ts";
import { operationId, refName } from "../../support/memory-app.ts";
import { digestOf, type Files } from "../../support/pusher.ts";
import {
  calls,
  codeOf,
  collect,
  DAY_MS,
  logLength,
  MODEL,
  makeWorld,
  missingChunks,
  NOWHERE,
  purgeNow,
  readWhole,
  records,
  type World,
} from "./lifecycle-world.ts";

const FILES: Files = { a: "first", shared: "shared" };

const eager = (ports: Ports): Ports => ({
  ...ports,
  margins: Margins.parse({ chunkAgeMs: 0, intentWaitMs: 0, skewMs: 0, shareMax: 1 }),
});

async function twoRevisions(): Promise<{ world: World; old: RevisionId; head: RevisionId }> {
  const world = await makeWorld({ decorate: eager });
  return { world, old: await world.push(FILES), head: await world.push({ b: "second", shared: "shared" }) };
}

const listed = async ({ admin }: World, query: object = {}) =>
  (await admin.call("listRevisions", { repository: MODEL, query })).revisions.map(({ revision }) => revision);

test("a deleted revision answers 410 to every read, is listed as deleted, and comes back whole", async () => {
  const { world, old, head } = await twoRevisions();
  await calls.trash(world, [old]);
  const chunks = [digestOf("first")];
  const reads = {
    resolve: () => calls.resolve(world, old),
    manifest: () => world.admin.call("manifest", { repository: MODEL, params: { ref: old } }),
    recipes: () => world.admin.call("readRecipes", { repository: MODEL, params: { ref: old }, body: { recipes: chunks } }),
    download: () => world.admin.call("download", { repository: MODEL, params: { ref: old }, body: { chunks } }),
    diff: () => world.admin.call("diff", { repository: MODEL, params: { ref: "main" }, query: { base: old } }),
    tag: () => calls.tag(world, "v1", old),
    label: () =>
      world.admin.call("setLabels", { repository: MODEL, params: { ref: old }, body: { labels: { a: "b" }, operationId: operationId() } }),
  };
  for (const [name, read] of Object.entries(reads)) assert.equal(await codeOf(read()), "REVISION_DELETED", name);
  assert.deepEqual([await listed(world), await listed(world, { deleted: "true" })], [[head], [old]]);
  assert.equal((await world.admin.call("describeRepository", { repository: MODEL })).revisionCount, 1);
  await calls.untrash(world, [old]);
  assert.deepEqual([await listed(world), await listed(world, { deleted: "true" })], [[head, old], []]);
  assert.deepEqual(await readWhole(world, MODEL, old), FILES);
});

test("heads of branches and tagged revisions can't be deleted; nor can a list with one of them", async () => {
  const { world, old, head } = await twoRevisions();
  const side = await world.push({ side: "side" }, { branch: refName("side") });
  await calls.tag(world, "v1", old);
  const before = await records(world);
  for (const revisions of [[head], [side], [old], [old, head]])
    assert.equal(await codeOf(calls.trash(world, revisions)), "REVISION_IN_USE", revisions.join());
  assert.deepEqual(await records(world), before);
  await world.admin.call("deleteTag", { repository: MODEL, params: { tag: "v1" }, query: { operationId: operationId() } });
  await world.admin.call("deleteBranch", { repository: MODEL, params: { branch: "side" }, query: { operationId: operationId() } });
  assert.deepEqual(await calls.trash(world, [side, old, old]), { revisions: [side, old].sort() });
});

test("what is in the trash is purged after 14 days, or at once by an administrator; then it does not come back", async () => {
  const { world, old } = await twoRevisions();
  const deleter = await world.app.member({ repositories: MODEL, actions: ["pull", "delete"] });
  await calls.trash(world, [old]);
  const purge = (client = deleter, now = false) =>
    codeOf(client.call("purgeRevisions", { repository: MODEL, body: { revisions: [old], now, operationId: operationId() } }));
  assert.equal(await purge(), "TRASH_TOO_YOUNG");
  assert.equal(await purge(deleter, true), "PERMISSION_DENIED");
  world.app.clock.advance(14 * DAY_MS - 1);
  assert.equal(await purge(), "TRASH_TOO_YOUNG");
  assert.equal((await collect(world)).garbage, 0);
  world.app.clock.advance(1);
  assert.equal(await purge(), "OK");
  for (const act of [calls.untrash, calls.trash]) assert.equal(await codeOf(act(world, [old])), "REVISION_UNKNOWN");
  assert.equal(await purge(world.admin, true), "REVISION_UNKNOWN");
  assert.equal(await codeOf(calls.resolve(world, old)), "REF_UNKNOWN");
  assert.deepEqual(await listed(world, { deleted: "true" }), []);
  assert.deepEqual(await collect(world), { deleted: 1, garbage: 1 });
  assert.deepEqual(await missingChunks(world), []);
});

test("a restored revision's days begin anew when it is deleted again", async () => {
  const { world, old } = await twoRevisions();
  await calls.trash(world, [old]);
  world.app.clock.advance(14 * DAY_MS);
  await calls.untrash(world, [old]);
  await calls.trash(world, [old]);
  assert.equal(await codeOf(calls.purge(world, [old])), "TRASH_TOO_YOUNG");
});

test("a purge without names takes all whose time has come, and no other", async () => {
  const { world, old } = await twoRevisions();
  const third = await world.push({ c: "third" });
  await world.push({ d: "fourth" });
  const due = (more: object = {}) =>
    world.admin.call("purgeRevisions", { repository: MODEL, body: { operationId: operationId(), ...more } });
  assert.deepEqual(await due(), { revisions: [], next: null });
  await calls.trash(world, [old]);
  world.app.clock.advance(14 * DAY_MS);
  await calls.trash(world, [third]);
  const before = await logLength(world, world.id);
  assert.deepEqual(await due(), { revisions: [old], next: null });
  assert.deepEqual(await due(), { revisions: [], next: null });
  assert.equal(await logLength(world, world.id), before + 1);
  assert.deepEqual(await listed(world, { deleted: "true" }), [third]);
  assert.deepEqual((await due({ now: true })).revisions, [third]);
});

test("bad input: clear codes, and the logs stay as they are", async () => {
  const { world, old, head } = await twoRevisions();
  const third = await world.push({ c: "third" });
  await calls.trash(world, [old]);
  const before = await records(world);
  for (const [act, revisions, code] of [
    [calls.trash, [NOWHERE], "REVISION_UNKNOWN"],
    [calls.trash, [old], "REVISION_DELETED"],
    [calls.trash, [head, old], "REVISION_DELETED"],
    [calls.trash, [head, NOWHERE], "REVISION_UNKNOWN"],
    [calls.trash, [third], "REVISION_IN_USE"],
    [calls.untrash, [head], "REVISION_NOT_DELETED"],
    [calls.untrash, [old, head], "REVISION_NOT_DELETED"],
    [calls.untrash, [NOWHERE], "REVISION_UNKNOWN"],
    [calls.purge, [head], "REVISION_NOT_DELETED"],
    [calls.purge, [old, head], "TRASH_TOO_YOUNG"],
    [calls.purge, [old], "TRASH_TOO_YOUNG"],
    [calls.purge, [NOWHERE], "REVISION_UNKNOWN"],
    [calls.trash, [], "REQUEST_INVALID"],
  ] as const)
    assert.equal(await codeOf(act(world, [...revisions])), code, `${act.name} ${code}`);
  assert.deepEqual(await records(world), before);
});

test("deleting and tagging one revision at once: it ends tagged and living, or deleted and untagged", async () => {
  let deleted = 0;
  for (let round = 0; round < 40; round++) {
    const { world, old } = await twoRevisions();
    const acts = [() => calls.trash(world, [old]), () => calls.tag(world, "v1", old)];
    const codes = await Promise.all((round % 2 === 0 ? acts : acts.reverse()).map((act) => codeOf(act())));
    assert.equal(codes.filter((code) => code === "OK").length, 1, codes.join());
    const tagged = await codeOf(calls.resolve(world, "v1"));
    const [inTrash] = await listed(world, { deleted: "true" });
    assert.deepEqual([tagged, inTrash], codes.includes("REVISION_DELETED") ? ["REF_UNKNOWN", old] : ["OK", undefined]);
    if (inTrash !== undefined) deleted++;
  }
  assert.ok(deleted > 0 && deleted < 40, `${deleted} of 40 ended in the trash`);
});

test("an upload goes on when the revision it builds on was deleted, and also when it was purged and collected", async () => {
  for (const end of ["trash", "purge"] as const) {
    const { world, old } = await twoRevisions();
    const side = refName("side");
    await world.push(FILES, { branch: side });
    const files = { ...FILES, c: "more" };
    const { upload, parent } = await world.pusher.open(MODEL, side);
    await world.pusher.reserve(MODEL, upload, { c: "more" });
    await world.push({ side: "moved on" }, { branch: side, parent });
    const [base] = [parent ?? old];
    if (end === "trash") await calls.trash(world, [base]);
    else await purgeNow(world, [base, old]);
    if (end === "purge") await collect(world);
    const reservation = await world.pusher.reserve(MODEL, upload, files, 2);
    await world.pusher.send(reservation, files);
    await world.pusher.confirm(MODEL, upload, reservation, 2);
    const { parent: now } = await world.pusher.open(MODEL, side);
    await world.pusher.commit(MODEL, upload, files, { parent: now, attempt: 2 });
    assert.deepEqual(await readWhole(world, MODEL, side), files);
  }
});

test("a wiped index comes back with the trash as it was", async () => {
  const { world, old, head } = await twoRevisions();
  const third = await world.push({ c: "third" });
  await world.push({ d: "fourth" });
  await calls.trash(world, [old, head, third]);
  await calls.untrash(world, [head]);
  await calls.purge(world, [third], true);
  const look = async () => ({
    described: await world.admin.call("describeRepository", { repository: MODEL }),
    living: await world.admin.call("listRevisions", { repository: MODEL, query: {} }),
    deleted: await world.admin.call("listRevisions", { repository: MODEL, query: { deleted: "true" } }),
  });
  const before = await look();
  assert.deepEqual([before.living.revisions.length, before.deleted.revisions.length], [2, 1]);
  world.app.indexes.wipe();
  assert.deepEqual(await look(), before);
  assert.equal(await codeOf(calls.resolve(world, old)), "REVISION_DELETED");
  world.app.indexes.wipe();
  assert.equal(await codeOf(calls.untrash(world, [third])), "REVISION_UNKNOWN");
  world.app.indexes.wipe();
  assert.deepEqual(await calls.untrash(world, [old]), { revisions: [old] });
});
