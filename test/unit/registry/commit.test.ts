import assert from "node:assert/strict";
import { test } from "node:test";
import { readEnvelope } from "../../../functions/registry/envelopes.ts";
import { FingerprintSet, fingerprintOf } from "../../../functions/registry/fingerprints.ts";
import { ENVELOPE_PREFIX, FLAG_PREFIX, repositoryLogPrefix } from "../../../functions/registry/layout.ts";
import type { Ports } from "../../../functions/registry/ports.ts";
import { FerryError } from "../../../shared/errors.ts";
import { type MemoryApp, memoryApp, operationId, refName, repositoryName } from "../../support/memory-app.ts";
import { digestOf, type Files, Pusher } from "../../support/pusher.ts";

const MODEL = repositoryName("team/model");
const FILES: Files = { "config.json": "{}", "weights/a.bin": "aaaa", "weights/b.bin": "bbbbbb", empty: "" };

function refuses(code: string): (error: unknown) => boolean {
  return (error) => error instanceof FerryError && error.code === code;
}

async function pusherOn(app: MemoryApp): Promise<Pusher> {
  const pusher = new Pusher(app.admin, app.stores.fetch);
  await pusher.create(MODEL);
  return pusher;
}

async function logLength(app: MemoryApp): Promise<number> {
  const { id } = await app.admin.call("describeRepository", { repository: MODEL });
  return (await app.stores.home.bucket.list(repositoryLogPrefix(id))).objects.length;
}

test("a pushed revision is read back by branch, by id, with its manifest and presigned chunks", async () => {
  const app = await memoryApp();
  const pusher = await pusherOn(app);
  const { revision, sent } = await pusher.push(MODEL, FILES, { message: "first" });
  assert.equal(sent, 3);
  assert.equal(revision.fileCount, 4);
  assert.equal(revision.newBytes, 12);
  for (const ref of ["main", revision.revision]) {
    assert.deepEqual(await app.admin.call("resolve", { repository: MODEL, params: { ref } }), revision);
  }
  const { manifest } = await app.admin.call("manifest", { repository: MODEL, params: { ref: "main" } });
  assert.deepEqual(
    manifest.files.map((file) => file.path),
    ["config.json", "empty", "weights/a.bin", "weights/b.bin"],
  );
  const chunk = digestOf("bbbbbb");
  const batch = await app.admin.call("download", { repository: MODEL, params: { ref: "main" }, body: { chunks: [chunk] } });
  const [item] = batch.items;
  const response = await app.stores.fetch(`${batch.base}${item?.path}?${batch.query}&X-Amz-Signature=${item?.signature}`);
  assert.equal(await response.text(), "bbbbbb");
});

test("a second push of the same files sends nothing, one with an edit sends the edit", async () => {
  const app = await memoryApp();
  const pusher = await pusherOn(app);
  await pusher.push(MODEL, FILES);
  assert.equal((await pusher.push(MODEL, FILES)).sent, 0);
  const { sent, revision } = await pusher.push(MODEL, { ...FILES, "config.json": '{"x":1}' });
  assert.equal(sent, 1);
  assert.equal(revision.newBytes, 7);
});

test("an unfinished upload of the branch is offered again: what it proved is not sent twice", async () => {
  const app = await memoryApp();
  const pusher = await pusherOn(app);
  const first = await pusher.open(MODEL);
  const reservation = await pusher.reserve(MODEL, first.upload, FILES);
  await pusher.send(reservation, FILES);
  await pusher.confirm(MODEL, first.upload, reservation);
  const second = await pusher.open(MODEL);
  assert.equal(second.upload, first.upload);
  assert.equal((await pusher.reserve(MODEL, second.upload, FILES)).tickets, null);
});

test("after a lost index the same upload goes on: its stored chunks answer 412 and are confirmed, nothing is stored twice", async () => {
  const app = await memoryApp();
  const pusher = await pusherOn(app);
  const { upload, parent } = await pusher.open(MODEL);
  const reservation = await pusher.reserve(MODEL, upload, FILES);
  await pusher.send(reservation, FILES);
  await pusher.confirm(MODEL, upload, reservation);
  app.indexes.wipe();
  await assert.rejects(pusher.commit(MODEL, upload, FILES, { parent }), refuses("CHUNK_UNPROVEN"));
  const again = await pusher.reserve(MODEL, upload, FILES);
  assert.deepEqual(await pusher.send(again, FILES), [412, 412, 412]);
  assert.deepEqual(await pusher.confirm(MODEL, upload, again), []);
  assert.equal((await pusher.commit(MODEL, upload, FILES, { parent })).seq, 1);
});

test("F18: 50 commits from one parent: one wins, 49 get BRANCH_MOVED, the log has one more record", async () => {
  const app = await memoryApp();
  const pusher = await pusherOn(app);
  const { revision } = await pusher.push(MODEL, FILES);
  const { upload } = await pusher.open(MODEL);
  await pusher.reserve(MODEL, upload, FILES);
  const racers = Array.from({ length: 50 }, (_, at) =>
    pusher.commit(MODEL, upload, FILES, { parent: revision.revision, message: `racer ${at}` }),
  );
  const outcomes = await Promise.allSettled(racers);
  const won = outcomes.filter((outcome) => outcome.status === "fulfilled");
  const moved = outcomes.filter((outcome) => outcome.status === "rejected" && refuses("BRANCH_MOVED")(outcome.reason));
  assert.deepEqual([won.length, moved.length, await logLength(app)], [1, 49, 2]);
});

test("F19: the same commit sent 20 times at once lands once, and every answer is the same revision", async () => {
  const app = await memoryApp();
  const pusher = await pusherOn(app);
  const { upload, parent } = await pusher.open(MODEL);
  const reservation = await pusher.reserve(MODEL, upload, FILES);
  await pusher.send(reservation, FILES);
  await pusher.confirm(MODEL, upload, reservation);
  const operation = operationId();
  const answers = await Promise.all(
    Array.from({ length: 20 }, () => pusher.commit(MODEL, upload, FILES, { parent, operationId: operation })),
  );
  assert.equal(new Set(answers.map((answer) => answer.revision)).size, 1);
  assert.equal(await logLength(app), 1);
});

test("F19: a commit that comes second with other places answers the first one's revision, and the index names the first one's chunks", async () => {
  const app = await memoryApp();
  const pusher = await pusherOn(app);
  const { upload, parent } = await pusher.open(MODEL);
  const operation = operationId();
  // Under another attempt each chunk has another key.
  const send = async (attempt: number) => {
    const reservation = await pusher.reserve(MODEL, upload, FILES, attempt);
    await pusher.send(reservation, FILES);
    await pusher.confirm(MODEL, upload, reservation, attempt);
    return () => pusher.commit(MODEL, upload, FILES, { parent, operationId: operation, attempt });
  };
  const commit = await send(1);
  const { bucket } = app.stores.home;
  const put = bucket.put.bind(bucket);
  bucket.put = async (key, bytes) => {
    await put(key, bytes);
    if (!key.startsWith(ENVELOPE_PREFIX)) return;
    bucket.put = put;
    await (await send(2))();
  };
  const answer = await commit();
  assert.equal(await logLength(app), 1);
  const { id } = await app.admin.call("describeRepository", { repository: MODEL });
  const entry = await app.ports.repositories.findRevision(id, answer.revision);
  const { places } = await readEnvelope(app.ports, answer.manifest, entry?.attempt ?? "");
  assert.ok(places.size > 0);
  for (const [sha256, { tag }] of places) assert.equal((await app.ports.chunks.find([sha256]))[0]?.tag, tag);
});

/** Lets `apply` fail `times` times after the record is in the bucket. */
function failingApply(times: number): (ports: Ports) => Ports {
  let left = times;
  return (ports) => ({
    ...ports,
    repositories: new Proxy(ports.repositories, {
      get(target, name) {
        if (name === "apply" && left > 0) {
          return async () => {
            left--;
            throw new FerryError("INDEX_UNAVAILABLE", { problem: "injected" });
          };
        }
        const member: unknown = Reflect.get(target, name);
        return typeof member === "function" ? member.bind(target) : member;
      },
    }),
  });
}

for (const loss of ["nothing", "the whole index"] as const) {
  test(`the index fails right after the commit point and loses ${loss}: 503, and the retry finds the revision, once`, async () => {
    const app = await memoryApp({ decorate: failingApply(1) });
    const pusher = await pusherOn(app);
    const { upload, parent } = await pusher.open(MODEL);
    const reservation = await pusher.reserve(MODEL, upload, FILES);
    await pusher.send(reservation, FILES);
    await pusher.confirm(MODEL, upload, reservation);
    const operation = operationId();
    await assert.rejects(pusher.commit(MODEL, upload, FILES, { parent, operationId: operation }), refuses("INDEX_UNAVAILABLE"));
    if (loss !== "nothing") app.indexes.wipe();
    const revision = await pusher.commit(MODEL, upload, FILES, { parent, operationId: operation });
    assert.equal(revision.seq, 1);
    assert.deepEqual(await app.admin.call("resolve", { repository: MODEL, params: { ref: "main" } }), revision);
    assert.equal(await logLength(app), 1);
  });
}

test("a wiped index comes back from the bucket: refs, history, tags and tokens, with nothing asked of the caller", async () => {
  const app = await memoryApp();
  const pusher = await pusherOn(app);
  const first = await pusher.push(MODEL, FILES);
  const second = await pusher.push(MODEL, { ...FILES, more: "more" });
  await app.admin.call("setTag", {
    repository: MODEL,
    params: { tag: "v1" },
    body: { ref: first.revision.revision, operationId: operationId() },
  });
  const before = await app.admin.call("describeRepository", { repository: MODEL });
  const reader = await app.member({ repositories: "team/*", actions: ["pull"] });
  app.indexes.wipe();
  assert.deepEqual(await reader.call("describeRepository", { repository: MODEL }), before);
  const { revisions } = await reader.call("listRevisions", { repository: MODEL, query: {} });
  assert.deepEqual(revisions, [second.revision, first.revision]);
});

test("a condemned key is not usable: the commit asks for the chunk under a fresh key, and then lands", async () => {
  const app = await memoryApp();
  const pusher = await pusherOn(app);
  await pusher.push(MODEL, FILES);
  const digests = [digestOf("aaaa"), digestOf("bbbbbb")];
  const entries = await app.ports.chunks.find(digests);
  const intent = new FingerprintSet();
  for (const [at, sha256] of digests.entries()) intent.add(fingerprintOf(sha256, entries[at]?.tag ?? ""));
  await app.stores.home.bucket.put(`${FLAG_PREFIX}0001.intent`, intent.sorted());
  const { upload, parent } = await pusher.open(MODEL);
  const files = { ...FILES, "config.json": "new" };
  const reservation = await pusher.reserve(MODEL, upload, files);
  await pusher.send(reservation, files);
  await pusher.confirm(MODEL, upload, reservation);
  const refusal = await pusher.commit(MODEL, upload, files, { parent }).catch((error: unknown) => error);
  assert.ok(refusal instanceof FerryError && refusal.code === "CHUNK_UNPROVEN");
  assert.deepEqual(new Set(refusal.details["chunks"] as string[]), new Set([digestOf("aaaa"), digestOf("bbbbbb")]));
  assert.equal(refusal.details["attempt"], 2);
  const redo = await pusher.reserve(MODEL, upload, { a: "aaaa", b: "bbbbbb" }, 2);
  assert.equal(redo.have.length, 0);
  await pusher.send(redo, files);
  await pusher.confirm(MODEL, upload, redo, 2);
  await pusher.commit(MODEL, upload, files, { parent, attempt: 2 });
  // The index hands out the fresh key from now on.
  assert.equal((await pusher.push(MODEL, files, { branch: refName("other") })).sent, 0);
});
