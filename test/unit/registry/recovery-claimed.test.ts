import assert from "node:assert/strict";
import { test } from "node:test";
import type { Ports } from "../../../functions/registry/ports.ts";
import { startRebuild, stepRebuild } from "../../../functions/registry/recovery/rebuild.ts";
import { readClaims } from "../../../functions/registry/recovery/verify-claimed.ts";
import { FerryError } from "../../../shared/errors.ts";
import { type FsckWorld, fsck, fsckWorld, MODEL, pushClaimed, TUNED } from "../../support/fsck-world.ts";
import { operationId, refName, repositoryName } from "../../support/memory-app.ts";
import { digestOf } from "../../support/pusher.ts";

/** Whose probe has proven both modes: uploads of the one are verified, of the other claimed. */
const BOTH = { modes: ["payload", "md5"] } as const;
const COPY = repositoryName("team/copy");

function read(ports: Ports) {
  return readClaims(ports, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY);
}

function isVerified({ app }: FsckWorld, text: string): boolean | undefined {
  return app.indexes.chunks.entries.get(digestOf(text))?.verified;
}

/** How many chunks a push of this text into another repository has to send. */
async function sentElsewhere({ pusher }: FsckWorld, text: string): Promise<number> {
  const { upload } = await pusher.open(TUNED, refName("probe"));
  return (await pusher.reserve(TUNED, upload, { file: text })).tickets?.items.length ?? 0;
}

async function clone({ app }: FsckWorld): Promise<string> {
  const body = { from: MODEL, ref: "main", branch: refName("main"), message: "", operationId: operationId() };
  return app.admin.call("clone", { repository: COPY, body }).then(
    () => "cloned",
    (error: unknown) => (error instanceof FerryError ? error.code : String(error)),
  );
}

async function rebuild(ports: Ports): Promise<void> {
  for (let { run } = await startRebuild(ports); run?.phase !== "done"; { run } = await stepRebuild(ports));
}

test("once its bytes were read a claimed chunk is as good as any, also after the index was lost", async () => {
  const world = await fsckWorld(BOTH);
  await pushClaimed(world.pusher, world.app, MODEL, "claimed");
  assert.deepEqual(
    [isVerified(world, "claimed"), await sentElsewhere(world, "claimed"), await clone(world)],
    [false, 1, "REVISION_UNVERIFIED"],
  );
  const seen = await read(world.app.ports);
  assert.deepEqual([seen.envelopes, seen.chunks, seen.bytes, seen.right, seen.wrong, seen.missing, seen.left], [1, 1, 7, 1, [], [], false]);
  assert.deepEqual([isVerified(world, "claimed"), await sentElsewhere(world, "claimed"), await clone(world)], [true, 0, "cloned"]);
  world.app.indexes.wipe();
  await rebuild(world.app.ports);
  assert.equal(isVerified(world, "claimed"), true);
  assert.equal((await read(world.app.ports)).chunks, 0, "nothing is read twice");
});

test("what was never read is claimed again after the index was lost", async () => {
  const world = await fsckWorld(BOTH);
  await pushClaimed(world.pusher, world.app, MODEL, "claimed");
  world.app.indexes.wipe();
  await rebuild(world.app.ports);
  assert.equal(isVerified(world, "claimed"), false);
  await read(world.app.ports);
  assert.equal(isVerified(world, "claimed"), true);
});

test("a chunk that is not what it is called is never had by anybody, not by its own repository either", async () => {
  const world = await fsckWorld(BOTH);
  await pushClaimed(world.pusher, world.app, MODEL, "claimed", "poisons");
  const seen = await read(world.app.ports);
  assert.deepEqual([seen.right, seen.wrong.map(({ sha256 }) => sha256)], [0, [digestOf("claimed")]]);
  assert.deepEqual(
    [isVerified(world, "claimed"), await sentElsewhere(world, "claimed"), await clone(world)],
    [undefined, 1, "CHUNK_CONDEMNED"],
  );
  const { upload, parent } = await world.pusher.open(MODEL);
  const files = { file: "claimed" };
  await world.pusher.reserve(MODEL, upload, files);
  await assert.rejects(world.pusher.commit(MODEL, upload, files, { parent }), { code: "CHUNK_UNPROVEN" });
  const again = await world.pusher.reserve(MODEL, upload, files, 2);
  assert.deepEqual(await world.pusher.send(again, files), [200]);
  await world.pusher.confirm(MODEL, upload, again, 2);
  const { revision } = await world.pusher.commit(MODEL, upload, files, { parent, attempt: 2 });
  const run = await fsck(world);
  assert.deepEqual(
    run.findings.map(({ kind, what, affected }) => [kind, what, affected.map((file) => [file.path, file.revision === revision])]),
    [["chunk.corrupt", digestOf("claimed"), [["file", false]]]],
  );
});

test("fsck reads what is claimed when it is asked to, and tells what it found", async () => {
  const world = await fsckWorld(BOTH);
  await pushClaimed(world.pusher, world.app, MODEL, "claimed");
  await pushClaimed(world.pusher, world.app, TUNED, "another", "poisons");
  assert.deepEqual((await fsck(world)).findings, []);
  const run = await fsck(world, { verifyClaimed: true });
  assert.deepEqual([run.claimed, run.read, run.verified], [2, 2, 1]);
  assert.deepEqual(
    run.findings.map(({ kind, affected }) => [kind, affected[0]?.repository]),
    [["chunk.corrupt", TUNED]],
  );
  assert.equal((await world.app.stores.home.bucket.list("claimed/")).objects.length, 0);
});

test("what a commit may be under way with is left for later", async () => {
  const world = await fsckWorld(BOTH);
  await pushClaimed(world.pusher, world.app, MODEL, "claimed");
  const now = world.app.clock.now();
  assert.equal((await readClaims(world.app.ports, now - 1, now + 1000)).chunks, 0);
  assert.equal((await readClaims(world.app.ports, now, now + 1000)).chunks, 1);
});

test("an envelope that is gone, or can't be read, keeps no other from its turn", async () => {
  const world = await fsckWorld(BOTH);
  const { bucket } = world.app.stores.home;
  await pushClaimed(world.pusher, world.app, MODEL, "claimed");
  await bucket.put(`claimed/${"0".repeat(64)}.${"0".repeat(16)}`, new Uint8Array());
  await bucket.put(`claimed/${"1".repeat(64)}.${"0".repeat(16)}`, new Uint8Array());
  await bucket.put(`manifests/${"1".repeat(64)}.${"0".repeat(16)}.json`, new Uint8Array(10));
  assert.equal((await read(world.app.ports)).right, 1);
  assert.deepEqual(
    (await bucket.list("claimed/")).objects.map(({ key }) => key.slice(0, 10)),
    ["claimed/11"],
  );
});

test("the job may be killed at any call: the next ends it, and no verdict is lost", async () => {
  const world = await fsckWorld(BOTH);
  await pushClaimed(world.pusher, world.app, MODEL, "claimed");
  await pushClaimed(world.pusher, world.app, TUNED, "another", "poisons");
  const { bucket } = world.app.stores.home;
  const kept = (await bucket.list("claimed/")).objects.map(({ key }) => key);
  const names = ["get", "list", "put", "create", "delete"] as const;
  const real = names.map((name) => bucket[name].bind(bucket));
  let deaths = 0;
  for (let died = true; died; deaths++) {
    for (const key of kept) await bucket.put(key, new Uint8Array());
    await bucket.delete((await bucket.list("verified/")).objects.map(({ key }) => key));
    let calls = 0;
    names.forEach((name, at) => {
      const call = real[at] as (...args: unknown[]) => Promise<unknown>;
      Object.assign(bucket, {
        [name]: async (...args: unknown[]) => {
          if (calls++ === deaths) throw new FerryError("STORAGE_UNAVAILABLE", { store: "home", problem: "killed" });
          return call(...args);
        },
      });
    });
    died = await read(world.app.ports).then(
      () => false,
      () => true,
    );
    names.forEach((name, at) => {
      Object.assign(bucket, { [name]: real[at] });
    });
    await read(world.app.ports);
    assert.deepEqual([isVerified(world, "claimed"), isVerified(world, "another")], [true, undefined], `after a death at call ${deaths}`);
    assert.equal((await bucket.list("verified/")).objects.length, 2);
    assert.equal((await bucket.list("collect/flags/bad-")).objects.length, 1);
  }
  assert.ok(deaths > 8, `${deaths} points`);
});
