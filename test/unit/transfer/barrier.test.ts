/** Pushes of one session by the engine itself, against the app in memory behind a real socket. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { FingerprintSet, fingerprintOf } from "../../../functions/registry/fingerprints.ts";
import { FLAG_PREFIX } from "../../../functions/registry/layout.ts";
import { pushFiles } from "../../../scripts/node/transfer.ts";
import { FerryClient } from "../../../shared/client.ts";
import { SessionName } from "../../../shared/contract/parts.ts";
import { FerryError } from "../../../shared/errors.ts";
import type { RepositoryName } from "../../../shared/names.ts";
import type { PushRequest, PushResult } from "../../../shared/transfer/contract.ts";
import { type MemoryApp, memoryApp, refName, repositoryName } from "../../support/memory-app.ts";
import { digestOf } from "../../support/pusher.ts";
import { type ServedApp, serveApp } from "../../support/served-app.ts";
import { plant, safetensors, tempFolder } from "../../support/trees.ts";

const folder = tempFolder();
let app: MemoryApp;
let served: ServedApp;
let client: FerryClient;
let names = 0;
/** Commits that land, but whose answer does not come. */
let lostAnswers = 0;
/** Of the next requests whose path ends so, the status that one of them is refused with. */
const refusals: { ending: string; status: number }[] = [];

before(async () => {
  app = await memoryApp();
  served = await serveApp(app, async (request) => {
    const at = refusals.findIndex(({ ending }) => new URL(request.url).pathname.endsWith(ending));
    return at < 0 ? null : (refusals.splice(at, 1)[0]?.status ?? null);
  });
  const { token } = await app.admin.call("createToken", {
    body: { name: "ranks", scopes: [{ repositories: "*", actions: ["pull", "push"] }] },
  });
  const lossy = async (url: string, init: RequestInit): Promise<Response> => {
    const response = await fetch(url, init);
    if (response.status !== 201 || !url.endsWith("/commit") || lostAnswers === 0) return response;
    lostAnswers--;
    throw new TypeError("fetch failed");
  };
  client = new FerryClient({ endpoint: served.endpoint, token, fetch: lossy, sleep: async () => {}, random: Math.random, attempts: 1 });
});
after(async () => {
  await served.stop();
  folder.remove();
});

/** Four ranks with a shard each, which is a tensor file, and one small file that all have. */
function ground() {
  const name = `ranks-${++names}`;
  const repository = repositoryName(`team/${name}`);
  const parts = 4;
  for (let part = 0; part < parts; part++) {
    plant(join(folder.path, name, `${part}`), {
      "config.json": `{"of":"${name}"}`,
      [`shard-${part}.safetensors`]: safetensors({ [`a.${part}`]: Buffer.from(`${name} ${part}`), b: Buffer.alloc(5000, part) }),
    });
  }
  const rank = (
    part: number,
    how: Partial<PushRequest> & { waitMs?: number; onWaiting?: (missing: string) => void } = {},
  ): Promise<PushResult> => {
    const { waitMs = 60_000, onWaiting, ...more } = how;
    const session = { name: SessionName.parse("job"), part, parts, waitMs, ...(onWaiting === undefined ? {} : { onWaiting }) };
    const request = {
      repository,
      branch: refName("main"),
      message: "",
      sources: [join(folder.path, name, `${part}`)],
      create: true,
      session,
      ...more,
    };
    const control = { client, onProgress: () => {}, signal: new AbortController().signal };
    return pushFiles(request, control, { cacheDir: join(folder.path, "cache"), useStatCache: false, threads: 0 });
  };
  return { name, repository, rank };
}

async function revisions(repository: RepositoryName) {
  return (await client.call("listRevisions", { repository, query: {} })).revisions;
}

const codeOf = (push: Promise<unknown>) =>
  push.then(
    () => "OK",
    (error: unknown) => (error instanceof FerryError ? error.code : `${error}`),
  );

/** Until part `part` is told to be all that is missing. */
function waitsFor(part: number): { onWaiting: (missing: string) => void; reached: Promise<void> } {
  let reach = () => {};
  const reached = new Promise<void>((resolve) => {
    reach = resolve;
  });
  return { onWaiting: (missing) => missing === `${part}` && reach(), reached };
}

test("ranks that push at once end with the same revision, of all their files", async () => {
  const { repository, rank } = ground();
  const results = await Promise.all(
    [0, 1, 2, 3].map((part) => rank(part, { labels: { step: "7" }, metrics: { loss: "0.5" }, source: { job: "j" } })),
  );
  assert.equal(new Set(results.map(({ revision }) => revision.revision)).size, 1);
  const [revision, ...more] = await revisions(repository);
  assert.deepEqual(
    [more.length, revision?.fileCount, revision?.labels, revision?.metrics, revision?.source],
    [0, 5, { step: "7" }, { loss: "0.5" }, { job: "j" }],
  );
  assert.equal((await rank(2)).revision.revision, revision?.revision, "also who comes again");
});

test("a rank that waits is told who is missing, and gives up with that", async () => {
  const { repository, rank } = ground();
  const told: string[] = [];
  const failure = await rank(1, { waitMs: 600, onWaiting: (missing) => told.push(missing) }).catch((error: unknown) => error);
  assert.ok(failure instanceof FerryError && failure.code === "PARTS_MISSING");
  assert.match(failure.message, /no part 0, 2-3 of 4/);
  assert.ok(told.length >= 2 && told.every((missing) => missing === "0, 2-3"));
  assert.deepEqual(await revisions(repository), []);
});

test("what passes is waited out: a deployment that fails now and then, and a commit whose answer is lost", async () => {
  const { repository, rank } = ground();
  const early = [0, 1, 2].map((part) => rank(part));
  refusals.push(...[503, 502, 500].map((status) => ({ ending: "/commit", status })));
  lostAnswers = 2;
  const results = await Promise.all([...early, rank(3)]);
  assert.equal(new Set(results.map(({ revision }) => revision.revision)).size, 1);
  assert.equal((await revisions(repository)).length, 1);
  assert.deepEqual([refusals, lostAnswers], [[], 0]);
});

test("the index is lost before the last rank comes: nobody sends anything again", async () => {
  const { repository, rank } = ground();
  const waiting = waitsFor(3);
  const early = Promise.all([0, 1, 2].map((part) => rank(part, { onWaiting: waiting.onWaiting })));
  await waiting.reached;
  app.indexes.wipe();
  const puts = () => served.requests.filter((line) => line.startsWith("PUT")).length;
  const before = puts();
  const last = await rank(3);
  assert.deepEqual([...new Set((await early).map(({ revision }) => revision.revision))], [last.revision.revision]);
  assert.equal((await revisions(repository)).length, 1);
  assert.ok(puts() - before <= last.chunksMoved, "only what the last rank has");
});

test("collection condemns a sealed chunk while ranks wait: its rank brings it again, and all get the revision", async () => {
  const { name, repository, rank } = ground();
  await pushFiles(
    { repository, branch: refName("main"), message: "", sources: [join(folder.path, name, "1")], create: true },
    { client, onProgress: () => {}, signal: new AbortController().signal },
    { cacheDir: join(folder.path, "cache"), useStatCache: false, threads: 0 },
  );
  const waiting = waitsFor(3);
  const early = Promise.all([0, 1, 2].map((part) => rank(part, { onWaiting: waiting.onWaiting })));
  await waiting.reached;
  const chunk = digestOf(`{"of":"${name}"}`);
  const [entry] = await app.ports.chunks.find([chunk]);
  const intent = new FingerprintSet();
  intent.add(fingerprintOf(chunk, entry?.tag ?? assert.fail()));
  await app.stores.home.bucket.put(`${FLAG_PREFIX}${name}.intent`, intent.sorted());
  const last = await rank(3);
  assert.deepEqual([...new Set((await early).map(({ revision }) => revision.revision))], [last.revision.revision]);
  const batch = await client.call("download", { repository, params: { ref: "main" }, body: { chunks: [chunk] } });
  assert.notEqual(batch.items[0]?.path.split("~")[1], entry?.tag, "the revision names the fresh place");
});

test("two ranks with one number, or one path with two contents: both are told, and nothing is committed", async () => {
  const { name, repository, rank } = ground();
  const waiting = waitsFor(3);
  const others = [0, 1, 2].map((part) => codeOf(rank(part, { onWaiting: waiting.onWaiting })));
  await waiting.reached;
  assert.equal(await codeOf(rank(2, { sources: [join(folder.path, name, "0")] })), "PART_TAKEN");
  plant(join(folder.path, name, "odd"), { "config.json": "other" });
  assert.equal(await codeOf(rank(3, { sources: [join(folder.path, name, "odd")] })), "PATH_TAKEN");
  assert.deepEqual(await Promise.all(others), ["PATH_TAKEN", "PATH_TAKEN", "PATH_TAKEN"]);
  assert.deepEqual(await revisions(repository), []);
});

test("a part without files is refused, unless that is meant", async () => {
  const { name, rank } = ground();
  plant(join(folder.path, name, "empty"), { ".git/x": "" });
  const sources = [join(folder.path, name, "empty")];
  assert.equal(await codeOf(rank(0, { sources })), "USAGE_INVALID");
  const results = await Promise.all([rank(0, { sources, mayBeEmpty: true }), ...[1, 2, 3].map((part) => rank(part))]);
  assert.equal(results[0]?.revision.fileCount, 4);
});

test("a parent that was asked for must be the head when all is there", async () => {
  const { rank } = ground();
  const push = (part: number) => codeOf(rank(part, { parent: "0".repeat(40) }));
  assert.deepEqual(
    await Promise.all([0, 1, 2, 3].map(push)),
    Array.from({ length: 4 }, () => "BRANCH_MOVED"),
  );
  const results = await Promise.all([0, 1, 2, 3].map((part) => rank(part, { parent: null })));
  assert.equal(new Set(results.map(({ revision }) => revision.revision)).size, 1);
});
