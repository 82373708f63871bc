import assert from "node:assert/strict";
import { test } from "node:test";
import type { RevisionId } from "../../../shared/names.ts";
import { operationId } from "../../support/memory-app.ts";
import { calls, codeOf, logLength, MODEL, makeWorld, NOWHERE, purgeNow, type World } from "./lifecycle-world.ts";

const TAG = "prod";

async function threeRevisions(): Promise<{ world: World; revisions: [RevisionId, RevisionId, RevisionId] }> {
  const world = await makeWorld();
  const revisions = [await world.push({ a: "1" }), await world.push({ a: "2" }), await world.push({ a: "3" })] as const;
  return { world, revisions: [...revisions] };
}

const at = async (world: World, tag = TAG) => (await calls.resolve(world, tag)).revision;

const rollback = ({ admin }: World, body: { expected?: RevisionId; message?: string } = {}) =>
  admin.call("rollbackTag", { repository: MODEL, params: { tag: TAG }, body: { operationId: operationId(), ...body } });

const history = ({ admin }: World, query: { limit?: number; cursor?: string } = {}) =>
  admin.call("tagHistory", { repository: MODEL, params: { tag: TAG }, query });

test("a tag moves only from where it is expected to be, said by revision or by another name", async () => {
  const { world, revisions } = await threeRevisions();
  const [first, second, third] = revisions;
  await calls.tag(world, "v1", first);
  await calls.tag(world, TAG, "v1");
  assert.equal(await codeOf(calls.tag(world, TAG, second)), "TAG_EXISTS");
  assert.equal(await codeOf(calls.tag(world, TAG, second, { expected: third })), "TAG_MOVED");
  assert.equal(await codeOf(calls.tag(world, TAG, second, { expectedRef: "main" })), "TAG_MOVED");
  assert.equal(await codeOf(calls.tag(world, TAG, second, { expectedRef: "nothing" })), "REF_UNKNOWN");
  assert.equal(await codeOf(calls.tag(world, TAG, second, { expected: first, expectedRef: "v1" })), "REQUEST_INVALID");
  assert.equal(await at(world), first);
  await calls.tag(world, TAG, second, { expectedRef: "v1" });
  assert.equal(await at(world), second);
});

test("16 promotions on one expectation: one wins, the tag has moved once", async () => {
  const { world, revisions } = await threeRevisions();
  await calls.tag(world, TAG, revisions[0]);
  const before = await logLength(world, world.id);
  const racers = Array.from({ length: 16 }, (_, i) =>
    codeOf(calls.tag(world, TAG, revisions[1 + (i % 2)] ?? "", { expected: revisions[0] })),
  );
  const codes = await Promise.all(racers);
  assert.deepEqual([codes.filter((code) => code === "OK").length, codes.filter((code) => code === "TAG_MOVED").length], [1, 15]);
  assert.equal(await logLength(world, world.id), before + 1);
});

test("a locked tag is not moved, not by force, not back, and not removed; unlocking takes an administrator", async () => {
  const { world, revisions } = await threeRevisions();
  const [first, second] = revisions;
  await calls.tag(world, TAG, first);
  await calls.tag(world, TAG, second, { force: true });
  assert.deepEqual(await calls.lock(world, TAG), { tag: TAG, locked: true });
  const remove = () => world.admin.call("deleteTag", { repository: MODEL, params: { tag: TAG }, query: { operationId: operationId() } });
  for (const act of [
    () => calls.tag(world, TAG, first, { force: true }),
    () => calls.tag(world, TAG, first, { expected: second }),
    () => rollback(world),
    remove,
  ])
    assert.equal(await codeOf(act()), "TAG_LOCKED");
  assert.equal(await at(world), second);
  assert.deepEqual((await world.admin.call("describeRepository", { repository: MODEL })).lockedTags, [TAG]);
  const tagger = await world.app.member({ repositories: MODEL, actions: ["pull", "push", "tag", "delete"] });
  const unlock = (client = tagger) =>
    codeOf(client.call("unlockTag", { repository: MODEL, params: { tag: TAG }, query: { operationId: operationId() } }));
  assert.equal(await unlock(), "PERMISSION_DENIED");
  assert.equal(await unlock(world.admin), "OK");
  assert.equal(await codeOf(remove()), "OK");
});

test("locking what is locked and unlocking what is not write nothing", async () => {
  const { world } = await threeRevisions();
  await calls.tag(world, TAG, "main");
  await calls.lock(world, TAG);
  const before = await logLength(world, world.id);
  await calls.lock(world, TAG);
  assert.equal(await logLength(world, world.id), before);
  const unlock = () => world.admin.call("unlockTag", { repository: MODEL, params: { tag: TAG }, query: { operationId: operationId() } });
  await unlock();
  await unlock();
  assert.equal(await logLength(world, world.id), before + 1);
});

test("a lock and a move at once: whichever comes first, the lock holds afterwards, and no move follows it", async () => {
  for (let round = 0; round < 20; round++) {
    const { world, revisions } = await threeRevisions();
    await calls.tag(world, TAG, revisions[0]);
    const acts = [() => calls.lock(world, TAG), () => calls.tag(world, TAG, revisions[1], { force: true })];
    const [first, second] = round % 2 === 0 ? acts : acts.reverse();
    const codes = await Promise.all([codeOf(first?.() ?? Promise.resolve()), codeOf(second?.() ?? Promise.resolve())]);
    const moved = (await at(world)) === revisions[1];
    assert.equal(codes.includes("TAG_LOCKED"), !moved);
    assert.equal(await codeOf(calls.tag(world, TAG, revisions[2], { force: true })), "TAG_LOCKED");
  }
});

test("the history of a tag is all its moves with who, when and why, in pages, and survives a lost index", async () => {
  const { world, revisions } = await threeRevisions();
  for (const [i, revision] of [...revisions, revisions[0]].entries()) {
    world.app.clock.advance(1000);
    await world.admin.call("setTag", {
      repository: MODEL,
      params: { tag: TAG },
      body: { ref: revision, force: true, message: `move ${i}`, operationId: operationId() },
    });
    await calls.tag(world, `between-${i}`, revision);
  }
  const all = await history(world);
  assert.deepEqual(
    all.entries.map(({ revision, from, message }) => [revision, from, message]),
    [
      [revisions[0], revisions[2], "move 3"],
      [revisions[2], revisions[1], "move 2"],
      [revisions[1], revisions[0], "move 1"],
      [revisions[0], null, "move 0"],
    ],
  );
  assert.equal(all.next, null);
  world.app.indexes.wipe();
  const first = await history(world, { limit: 3 });
  const rest = await history(world, { limit: 3, cursor: first.next ?? "" });
  assert.deepEqual([...first.entries, ...rest.entries], all.entries);
  assert.equal(rest.next, null);
  for (const cursor of ["0", "1", "5", "999999999"]) assert.equal(await codeOf(history(world, { cursor })), "REQUEST_INVALID", cursor);
});

test("a tag that was removed and made again has a new history", async () => {
  const { world, revisions } = await threeRevisions();
  await calls.tag(world, TAG, revisions[0]);
  await world.admin.call("deleteTag", { repository: MODEL, params: { tag: TAG }, query: { operationId: operationId() } });
  assert.equal(await codeOf(history(world)), "TAG_UNKNOWN");
  await calls.tag(world, TAG, revisions[1]);
  assert.equal((await history(world)).entries.length, 1);
  assert.equal(await codeOf(rollback(world)), "TAG_UNMOVED");
});

test("a rollback goes to what the tag pointed at before, on expectation, and a second one back again", async () => {
  const { world, revisions } = await threeRevisions();
  const [first, second] = revisions;
  await calls.tag(world, TAG, first);
  assert.equal(await codeOf(rollback(world)), "TAG_UNMOVED");
  await calls.tag(world, TAG, second, { force: true });
  await calls.tag(world, TAG, second, { force: true });
  assert.equal(await codeOf(rollback(world, { expected: first })), "TAG_MOVED");
  assert.equal((await rollback(world, { expected: second, message: "worse" })).revision, first);
  assert.equal((await history(world)).entries[0]?.message, "worse");
  assert.equal((await rollback(world)).revision, second);
});

test("a rollback does not point a tag at what is in the trash or purged", async () => {
  const { world, revisions } = await threeRevisions();
  await calls.tag(world, TAG, revisions[0]);
  await calls.tag(world, TAG, revisions[2], { force: true });
  await calls.trash(world, [revisions[0]]);
  assert.equal(await codeOf(rollback(world)), "REVISION_DELETED");
  await calls.untrash(world, [revisions[0]]);
  await purgeNow(world, [revisions[0]]);
  assert.equal(await codeOf(rollback(world)), "REVISION_UNKNOWN");
  assert.equal(await at(world), revisions[2]);
});

test("names that every object has are tags and branches like others", async () => {
  const { world, revisions } = await threeRevisions();
  for (const name of ["constructor", "toString", "valueOf"]) {
    assert.equal(await codeOf(calls.resolve(world, name)), "REF_UNKNOWN");
    await calls.tag(world, name, revisions[0]);
    assert.equal(await at(world, name), revisions[0]);
  }
  assert.equal(await codeOf(calls.tag(world, TAG, NOWHERE)), "REF_UNKNOWN");
});
