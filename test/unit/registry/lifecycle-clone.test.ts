import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { Margins } from "../../../functions/registry/collect/margins.ts";
import { FingerprintSet, fingerprintOf } from "../../../functions/registry/fingerprints.ts";
import { CHUNK_PREFIX, intentKey } from "../../../functions/registry/layout.ts";
import { listAll } from "../../../functions/registry/listing.ts";
import type { Ports } from "../../../functions/registry/ports.ts";
import { operationId, refName, repositoryName } from "../../support/memory-app.ts";
import { digestOf, entriesOf, type Files } from "../../support/pusher.ts";
import {
  COPY,
  calls,
  codeOf,
  collect,
  logLength,
  MAIN,
  MODEL,
  makeWorld,
  missingChunks,
  NOWHERE,
  purgeNow,
  readWhole,
  records,
  type World,
} from "./lifecycle-world.ts";

const FILES: Files = { "config.json": "{}", "weights/a.bin": "aaaa", "weights/b.bin": "bbbbbb" };

async function chunkObjects({ app }: World): Promise<string[]> {
  return (await listAll(app.stores.home.bucket, CHUNK_PREFIX)).map(({ key, modifiedAtMs }) => `${key} ${modifiedAtMs}`);
}

const eager = (ports: Ports): Ports => ({
  ...ports,
  margins: Margins.parse({ chunkAgeMs: 0, intentWaitMs: 0, skewMs: 0, shareMax: 1 }),
});

test("a clone makes its repository, brings no byte, and says where it is from", async () => {
  const world = await makeWorld();
  const revision = await world.push(FILES);
  const before = await chunkObjects(world);
  const copy = await world.admin.call("clone", {
    repository: COPY,
    body: { from: MODEL, ref: "main", branch: MAIN, message: "for the demo", operationId: operationId() },
  });
  assert.deepEqual(await chunkObjects(world), before);
  const original = await calls.resolve(world, revision);
  assert.deepEqual(copy.origin, { repositoryId: world.id, revision });
  assert.deepEqual([copy.newBytes, copy.newChunks, copy.message, copy.manifest], [0, 0, "for the demo", original.manifest]);
  assert.deepEqual(await readWhole(world, COPY, "main"), FILES);
  assert.deepEqual((await world.admin.call("describeRepository", { repository: COPY })).usage, {
    logicalBytes: 12,
    storedBytes: 0,
    objects: 0,
  });
});

test("a clone outlives its source: revision purged, repository purged, garbage collected", async () => {
  const world = await makeWorld({ decorate: eager });
  const old = await world.push(FILES);
  await world.push({ other: "other" });
  await calls.clone(world, old);
  await purgeNow(world, [old]);
  await collect(world);
  assert.deepEqual(await readWhole(world, COPY, "main"), FILES);
  await world.admin.call("deleteRepository", { repository: MODEL, query: { operationId: operationId() } });
  await world.admin.call("purgeRepository", { params: { id: world.id }, body: { now: true, operationId: operationId() } });
  const { deleted } = await collect(world);
  assert.equal(deleted, 1);
  assert.deepEqual(await readWhole(world, COPY, "main"), FILES);
});

test("one operation id used for clones into two repositories makes two revisions that live and die alone", async () => {
  const world = await makeWorld({ decorate: eager });
  const old = await world.push(FILES);
  const other = repositoryName("team/other");
  const operation = operationId();
  for (const repository of [COPY, other])
    await world.admin.call("clone", { repository, body: { from: MODEL, ref: old, branch: MAIN, operationId: operation } });
  await world.push({ next: "next" });
  await purgeNow(world, [old]);
  const { id } = await world.admin.call("describeRepository", { repository: other });
  await world.admin.call("deleteRepository", { repository: other, query: { operationId: operationId() } });
  await world.admin.call("purgeRepository", { params: { id }, body: { now: true, operationId: operationId() } });
  await collect(world);
  assert.deepEqual(await readWhole(world, COPY, "main"), FILES);
});

test("a branch goes back to an older revision: a new one on top, with the old files and no bytes", async () => {
  const world = await makeWorld();
  const old = await world.push(FILES);
  const head = await world.push({ broken: "broken" });
  const before = await chunkObjects(world);
  const restore = (body: object) =>
    world.admin.call("restoreBranch", {
      repository: MODEL,
      params: { branch: "main" },
      body: { ref: old, operationId: operationId(), ...body },
    });
  assert.equal(await codeOf(restore({ expected: old })), "BRANCH_MOVED");
  assert.equal(await codeOf(restore({ expected: null })), "BRANCH_MOVED");
  const back = await restore({ expected: head, message: "back" });
  assert.deepEqual([back.parent, back.origin?.revision, back.newBytes], [head, old, 0]);
  assert.deepEqual(await readWhole(world, MODEL, "main"), FILES);
  assert.deepEqual(await chunkObjects(world), before);
});

test("a removed branch is made anew from a revision of it; a branch is never made under a tag's name", async () => {
  const world = await makeWorld();
  await world.push(FILES);
  const branch = refName("fine-tuned");
  const tuned = await world.push({ tuned: "tuned" }, { branch });
  await world.admin.call("deleteBranch", { repository: MODEL, params: { branch }, query: { operationId: operationId() } });
  const restore = (name: string) =>
    world.admin.call("restoreBranch", {
      repository: MODEL,
      params: { branch: name },
      body: { ref: tuned, expected: null, operationId: operationId() },
    });
  assert.equal((await restore(branch)).parent, null);
  await calls.tag(world, "v1", "main");
  assert.equal(await codeOf(restore("v1")), "REQUEST_INVALID");
});

test("F18: 16 restores of one branch on one expectation: one wins, 15 are told that it moved", async () => {
  const world = await makeWorld();
  const old = await world.push(FILES);
  const head = await world.push({ next: "next" });
  const racers = Array.from({ length: 16 }, () =>
    codeOf(
      world.admin.call("restoreBranch", {
        repository: MODEL,
        params: { branch: "main" },
        body: { ref: old, expected: head, operationId: operationId() },
      }),
    ),
  );
  const codes = await Promise.all(racers);
  assert.deepEqual([codes.filter((code) => code === "OK").length, codes.filter((code) => code === "BRANCH_MOVED").length], [1, 15]);
  assert.equal(await logLength(world, world.id), 3);
});

test("a source whose chunks are listed for collection is refused by name, before a repository is made for it", async () => {
  const world = await makeWorld();
  const old = await world.push(FILES);
  await world.push({ next: "next" });
  const intent = new FingerprintSet();
  const [entry] = await world.app.ports.chunks.find([digestOf("aaaa")]);
  intent.add(fingerprintOf(digestOf("aaaa"), entry?.tag ?? ""));
  await world.app.stores.home.bucket.put(intentKey("0000000000001-00000000"), intent.sorted());
  const before = await records(world);
  assert.equal(await codeOf(calls.clone(world, old)), "CHUNK_CONDEMNED");
  assert.equal(
    await codeOf(
      world.admin.call("restoreBranch", { repository: MODEL, params: { branch: "main" }, body: { ref: old, operationId: operationId() } }),
    ),
    "CHUNK_CONDEMNED",
  );
  assert.deepEqual(await records(world), before);
});

test("chunks that the store did not check by their digest stay in their own repository", async () => {
  const world = await makeWorld({ modes: ["md5"] });
  const files = { weights: "weights" };
  const { upload } = await world.pusher.open(MODEL);
  const chunks = Object.values(files).map((text) => ({
    sha256: digestOf(text),
    size: text.length,
    md5: createHash("md5").update(text).digest("base64"),
  }));
  const reservation = await world.admin.call("reserve", { repository: MODEL, params: { upload }, body: { attempt: 1, chunks } });
  await world.pusher.send(reservation, files);
  await world.pusher.confirm(MODEL, upload, reservation);
  const { revision } = await world.admin.call("commit", {
    repository: MODEL,
    params: { upload },
    body: { operationId: operationId(), parent: null, files: entriesOf(files) },
  });
  assert.equal(await codeOf(calls.clone(world, revision)), "REVISION_UNVERIFIED");
  assert.equal(await codeOf(calls.clone(world, revision, MODEL, refName("same"))), "OK");
});

test("a clone needs pull on its source and push on its target; who may not see the source learns nothing", async () => {
  const world = await makeWorld();
  await world.push(FILES);
  const asked = async (scopes: { repositories: string; actions: ("pull" | "push")[] }[], from = MODEL) => {
    const client = await world.app.member(...scopes);
    return codeOf(client.call("clone", { repository: COPY, body: { from, ref: "main", branch: MAIN, operationId: operationId() } }));
  };
  const target = { repositories: COPY, actions: ["push" as const] };
  const hidden = await asked([target]);
  assert.equal(hidden, "REPOSITORY_UNKNOWN");
  assert.equal(await asked([target], repositoryName("team/nothing")), hidden);
  assert.equal(await asked([{ repositories: "team/*", actions: ["pull"] }]), "PERMISSION_DENIED");
  assert.equal(await codeOf(world.admin.call("describeRepository", { repository: COPY })), "REPOSITORY_UNKNOWN");
  assert.equal(await asked([target, { repositories: MODEL, actions: ["pull"] }]), "OK");
});

test("what can't be cloned is said by its code, and no repository is left behind", async () => {
  const world = await makeWorld();
  const old = await world.push(FILES);
  await world.push({ next: "next" });
  await calls.trash(world, [old]);
  const before = await records(world);
  const clone = (from: string, ref: string) =>
    codeOf(
      world.admin.call("clone", { repository: COPY, body: { from: repositoryName(from), ref, branch: MAIN, operationId: operationId() } }),
    );
  for (const [from, ref, code] of [
    ["team/nothing", "main", "REPOSITORY_UNKNOWN"],
    [MODEL, "nothing", "REF_UNKNOWN"],
    [MODEL, NOWHERE, "REF_UNKNOWN"],
    [MODEL, old, "REVISION_DELETED"],
  ] as const)
    assert.equal(await clone(from, ref), code, `${from} ${ref}`);
  assert.deepEqual(await records(world), before);
  assert.deepEqual(await missingChunks(world), []);
});

test("a blocked repository gives no clone of itself", async () => {
  const world = await makeWorld();
  await world.push(FILES);
  await world.admin.call("blockRepository", { repository: MODEL, body: { reason: "leaked weights", operationId: operationId() } });
  const before = await records(world);
  assert.equal(await codeOf(calls.clone(world, "main")), "REPOSITORY_BLOCKED");
  assert.deepEqual(await records(world), before);
});
