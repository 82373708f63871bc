import assert from "node:assert/strict";
import { test } from "node:test";
import type { Quota, RepositorySettings } from "../../../shared/contract/repositories.ts";
import { operationId, refName } from "../../support/memory-app.ts";
import type { Files } from "../../support/pusher.ts";
import { COPY, calls, codeOf, MAIN, MODEL, makeWorld, purgeNow, records, type World } from "./lifecycle-world.ts";

/** 10 bytes in 2 chunks. */
const FILES: Files = { a: "aaaa", b: "bbbbbb" };

const setQuota = ({ admin }: World, quota: Partial<Quota> | null, repository = MODEL) =>
  admin.call("setSettings", { repository, body: { settings: { quota }, operationId: operationId() } });

const usage = async ({ admin }: World, repository = MODEL) => (await admin.call("describeRepository", { repository })).usage;

/** Opens an upload and proves these files; what is left is the commit. */
async function proven(world: World, files: Files): Promise<() => Promise<unknown>> {
  const { upload, parent } = await world.pusher.open(MODEL);
  const reservation = await world.pusher.reserve(MODEL, upload, files);
  await world.pusher.send(reservation, files);
  await world.pusher.confirm(MODEL, upload, reservation);
  return () => world.pusher.commit(MODEL, upload, files, { parent });
}

const LIMITS: { what: string; quota: Partial<Quota>; fits: Partial<Quota> }[] = [
  { what: "logical bytes", quota: { logicalBytes: 9 }, fits: { logicalBytes: 10 } },
  { what: "stored bytes", quota: { storedBytes: 9 }, fits: { storedBytes: 10 } },
  { what: "objects", quota: { objects: 1 }, fits: { objects: 2 } },
];

for (const { what, quota, fits } of LIMITS) {
  test(`a commit over the quota of ${what} is refused with 507 and changes nothing; one that just fits lands`, async () => {
    const world = await makeWorld();
    const commit = await proven(world, FILES);
    await setQuota(world, quota);
    const before = await records(world);
    assert.equal(await codeOf(commit()), "QUOTA_EXCEEDED");
    assert.deepEqual(await records(world), before);
    assert.deepEqual(await usage(world), { logicalBytes: 0, storedBytes: 0, objects: 0 });
    await setQuota(world, fits);
    assert.equal(await codeOf(commit()), "OK");
    assert.deepEqual(await usage(world), { logicalBytes: 10, storedBytes: 10, objects: 2 });
  });
}

test("tickets that can't fit are not given: the push stops before any byte is sent", async () => {
  const world = await makeWorld();
  for (const quota of [{ storedBytes: 9 }, { objects: 1 }]) {
    await setQuota(world, quota);
    const { upload } = await world.pusher.open(MODEL);
    assert.equal(await codeOf(world.pusher.reserve(MODEL, upload, FILES)), "QUOTA_EXCEEDED");
    assert.equal(await codeOf(world.pusher.reserve(MODEL, upload, { a: "aaaa" })), "OK");
  }
});

test("what is not sent again costs no stored bytes: a full repository still takes the same files", async () => {
  const world = await makeWorld();
  await world.push(FILES);
  await setQuota(world, { storedBytes: 10, objects: 2 });
  await world.push(FILES);
  assert.deepEqual(await usage(world), { logicalBytes: 20, storedBytes: 10, objects: 2 });
});

test("of 8 commits that race for the last bytes one lands, and the sum is never over the quota", async () => {
  const world = await makeWorld();
  await world.push(FILES);
  await setQuota(world, { logicalBytes: 20 });
  const racers = await Promise.all(
    Array.from({ length: 8 }, async (_, at) => {
      const branch = refName(`racer-${at}`);
      const { upload } = await world.pusher.open(MODEL, branch);
      await world.pusher.reserve(MODEL, upload, FILES);
      return () => codeOf(world.pusher.commit(MODEL, upload, FILES, { parent: null }));
    }),
  );
  const codes = await Promise.all(racers.map((race) => race()));
  assert.deepEqual([codes.filter((code) => code === "OK").length, codes.filter((code) => code === "QUOTA_EXCEEDED").length], [1, 7]);
  assert.equal((await usage(world)).logicalBytes, 20);
});

test("clones and restores count as logical bytes of the repository that they go to", async () => {
  const world = await makeWorld();
  await world.push(FILES);
  await setQuota(world, { logicalBytes: 10, storedBytes: 0 });
  assert.equal(
    await codeOf(
      world.admin.call("restoreBranch", {
        repository: MODEL,
        params: { branch: "main" },
        body: { ref: "main", operationId: operationId() },
      }),
    ),
    "QUOTA_EXCEEDED",
  );
  await world.pusher.create(COPY);
  await setQuota(world, { logicalBytes: 9 }, COPY);
  assert.equal(await codeOf(calls.clone(world, "main")), "QUOTA_EXCEEDED");
  await setQuota(world, { logicalBytes: 10, storedBytes: 0, objects: 0 }, COPY);
  assert.equal(await codeOf(calls.clone(world, "main")), "OK");
  assert.deepEqual(await usage(world, COPY), { logicalBytes: 10, storedBytes: 0, objects: 0 });
});

test("the trash counts until it is purged, and taking out of it is never refused", async () => {
  const world = await makeWorld();
  const old = await world.push(FILES);
  await world.push({ c: "cc" });
  await setQuota(world, { logicalBytes: 12, storedBytes: 12, objects: 3 });
  await calls.trash(world, [old]);
  assert.equal((await usage(world)).logicalBytes, 12);
  assert.equal(await codeOf(proven(world, { d: "d" })), "QUOTA_EXCEEDED");
  assert.equal(await codeOf(calls.untrash(world, [old])), "OK");
  await purgeNow(world, [old]);
  assert.deepEqual(await usage(world), { logicalBytes: 2, storedBytes: 2, objects: 1 });
  assert.equal(await codeOf(world.push({ d: "d" })), "OK");
});

test("a quota that is lowered below what is there deletes nothing, stops growth, and lets go of what it limits again", async () => {
  const world = await makeWorld();
  const head = await world.push(FILES);
  await setQuota(world, { logicalBytes: 0, storedBytes: 0, objects: 0 });
  assert.equal((await calls.resolve(world, "main")).revision, head);
  assert.equal(await codeOf(calls.tag(world, "v1", "main")), "OK");
  assert.equal(await codeOf(world.push(FILES)), "QUOTA_EXCEEDED");
  await setQuota(world, null);
  assert.equal(await codeOf(world.push(FILES)), "OK");
});

test("settings take an administrator, are told by the description, and come back after a loss of the index", async () => {
  const world = await makeWorld();
  const settings = {
    retention: { keepLast: 3, keepBest: { metric: "loss", count: 1, order: "min" as const } },
    quota: { logicalBytes: 5, storedBytes: null, objects: 7 },
  };
  const set = (client = world.admin) =>
    codeOf(client.call("setSettings", { repository: MODEL, body: { settings, operationId: operationId() } }));
  assert.equal(await set(await world.app.member({ repositories: MODEL, actions: ["pull", "push", "tag", "delete"] })), "PERMISSION_DENIED");
  assert.equal(await set(), "OK");
  world.app.indexes.wipe();
  assert.deepEqual((await world.admin.call("describeRepository", { repository: MODEL })).settings, settings);
  assert.equal(await codeOf(world.push(FILES, { branch: MAIN })), "QUOTA_EXCEEDED");
});

test("two administrators who change settings on one look: the second is told, and takes nothing back", async () => {
  const world = await makeWorld();
  const look = async () => (await world.admin.call("describeRepository", { repository: MODEL })).settings;
  const change = (expected: RepositorySettings, changes: Partial<RepositorySettings>) =>
    codeOf(
      world.admin.call("setSettings", {
        repository: MODEL,
        body: { settings: { ...expected, ...changes }, expected, operationId: operationId() },
      }),
    );
  const seen = await look();
  const quota = { logicalBytes: 100, storedBytes: null, objects: null };
  assert.equal(await change(seen, { quota }), "OK");
  const before = await records(world);
  assert.equal(await change(seen, { quota: null }), "SETTINGS_CHANGED");
  assert.deepEqual(await records(world), before);
  assert.deepEqual((await look()).quota, quota);
  assert.equal(await change(await look(), { quota: null }), "OK");
});
