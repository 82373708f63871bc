/**
 * F33 of reference/safety.md §6: what the first version wrote is read for ever, what a later version will have written is refused, and neither
 * is ever rewritten. The fixture is a bucket as that version left it; FERRY_WRITE_GOLDEN=1 writes a new one, which is never needed as long as
 * formats only grow.
 */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { Margins } from "../../../functions/registry/collect/margins.ts";
import { FerryError } from "../../../shared/errors.ts";
import { type MemoryApp, memoryApp, operationId, refName, repositoryName } from "../../support/memory-app.ts";
import { type Files, Pusher } from "../../support/pusher.ts";

const FIXTURE = new URL("../../golden/bucket-v1.json", import.meta.url);
const MODEL = repositoryName("team/model");
const COPY = repositoryName("team/copy");
const FILES: Files = { "config.json": "{}", "weights/a.bin": "aaaa" };

type Objects = Record<string, string>;

/** Finds garbage at once. */
function eagerApp(): Promise<MemoryApp> {
  const margins = Margins.parse({ chunkAgeMs: 0, intentWaitMs: 0, skewMs: 0, shareMax: 1 });
  return memoryApp({ decorate: (ports) => ({ ...ports, margins }) });
}

/** One of everything that a deployment leaves in its bucket. */
async function writeFixture(): Promise<void> {
  const app = await eagerApp();
  const { admin } = app;
  const pusher = new Pusher(admin, app.stores.fetch);
  await pusher.create(MODEL);
  const old = await pusher.push(MODEL, { old: "old" }, { message: "old" });
  const { revision } = await pusher.push(MODEL, FILES, { message: "kept" });
  const operation = () => ({ operationId: operationId() });
  const tag = { repository: MODEL, params: { tag: "v1" } };
  await admin.call("setTag", { ...tag, body: { ref: "main", message: "the first", ...operation() } });
  await admin.call("lockTag", { ...tag, body: operation() });
  await admin.call("setSettings", { repository: MODEL, body: { settings: { retention: { keepLast: 5 } }, ...operation() } });
  const labels = { labels: { stage: "test" }, metrics: { loss: "0.1" }, ...operation() };
  await admin.call("setLabels", { repository: MODEL, params: { ref: revision.revision }, body: labels });
  await admin.call("clone", { repository: COPY, body: { from: MODEL, ref: "v1", branch: refName("main"), ...operation() } });
  const revisions = [old.revision.revision];
  await admin.call("trashRevisions", { repository: MODEL, body: { revisions, reason: "a test", ...operation() } });
  await admin.call("purgeRevisions", { repository: MODEL, body: { revisions, now: true, ...operation() } });
  await admin.call("createToken", { body: { name: "reader", scopes: [{ repositories: "team/*", actions: ["pull"] }] } });
  app.clock.advance(1000);
  await collect(app);
  await fsck(app);
  const objects: Objects = {};
  for (const key of await keysOf(app)) objects[key] = Buffer.from(await bytesOf(app, key)).toString("latin1");
  writeFileSync(FIXTURE, `${JSON.stringify(objects, null, 1)}\n`);
}

if (process.env["FERRY_WRITE_GOLDEN"] === "1") await writeFixture();

function fixture(): Objects {
  return JSON.parse(readFileSync(FIXTURE, "utf8")) as Objects;
}

/** An app of today on that bucket, with an empty index. */
async function appOn(objects: Objects): Promise<MemoryApp> {
  const app = await eagerApp();
  app.clock.advance(3_600_000);
  for (const [key, text] of Object.entries(objects)) await app.stores.home.bucket.put(key, Buffer.from(text, "latin1"));
  return app;
}

async function keysOf({ stores }: MemoryApp): Promise<string[]> {
  return (await stores.home.bucket.list("", { limit: 10_000 })).objects.map(({ key }) => key);
}

async function bytesOf({ stores }: MemoryApp, key: string): Promise<Uint8Array> {
  return (await stores.home.bucket.get(key)) ?? assert.fail(`${key} is gone`);
}

async function collect({ admin }: MemoryApp): Promise<void> {
  let { run } = await admin.call("startCollect", { body: { dryRun: false } });
  while (run !== null && run.phase !== "done" && run.phase !== "aborted") ({ run } = await admin.call("stepCollect", {}));
}

async function fsck({ admin }: MemoryApp): Promise<void> {
  let { run } = await admin.call("startFsck", { body: {} });
  for (let steps = 0; run !== null && run.phase !== "done" && steps < 50; steps++) ({ run } = await admin.call("stepFsck", {}));
}

/** Everything that reads what is there. */
const READERS: Record<string, (app: MemoryApp) => Promise<unknown>> = {
  list: ({ admin }) => admin.call("listRepositories", { query: {} }),
  describe: ({ admin }) => admin.call("describeRepository", { repository: MODEL }),
  copy: ({ admin }) => admin.call("manifest", { repository: COPY, params: { ref: "main" } }),
  history: ({ admin }) => admin.call("listRevisions", { repository: MODEL, query: {} }),
  manifest: ({ admin }) => admin.call("manifest", { repository: MODEL, params: { ref: "v1" } }),
  tokens: ({ admin }) => admin.call("listTokens", { query: {} }),
  push: ({ admin, stores }) => new Pusher(admin, stores.fetch).push(MODEL, { ...FILES, more: "more" }),
  collect,
  fsck,
};

test("F33: a bucket that the first version wrote is read whole, from an empty index, and none of it is rewritten", async (t) => {
  const objects = fixture();
  const app = await appOn(objects);
  const { admin } = app;
  const state = await admin.call("describeRepository", { repository: MODEL });
  assert.deepEqual([state.refs.tags["v1"], state.settings.retention?.keepLast], [state.refs.branches["main"], 5]);
  const { revisions } = await admin.call("listRevisions", { repository: MODEL, query: {} });
  assert.deepEqual(
    revisions.map(({ message, labels, metrics }) => ({ message, labels, metrics })),
    [{ message: "kept", labels: { stage: "test" }, metrics: { loss: "0.1" } }],
  );
  const { manifest } = await admin.call("manifest", { repository: COPY, params: { ref: "main" } });
  assert.deepEqual(manifest.files.map(({ path }) => path).sort(), Object.keys(FILES).sort());
  const { tokens } = await admin.call("listTokens", { query: {} });
  assert.ok(tokens.some(({ name }) => name === "reader"));
  for (const read of Object.values(READERS)) await read(app);
  for (const [key, text] of Object.entries(objects))
    assert.equal(Buffer.from(await bytesOf(app, key)).toString("latin1"), text, `${key} was rewritten`);
  t.diagnostic(`${Object.keys(objects).length} objects of version 1 read, rewritten 0`);
});

/** What nobody has to read to answer: a result kept for people, or counted alone. */
const UNREAD = /^(sys\/audit|fsck\/work|recent)\//;
const FUTURE: { name: string; change: (text: string) => string }[] = [
  { name: "version 2", change: (text) => text.replace('"v":1', '"v":2') },
  { name: "an act that nobody knows", change: (text) => text.replace(/"op":"[a-z.]+"/, '"op":"future"') },
  { name: "a field that nobody knows", change: (text) => text.replace(/^\{/, '{"future":true,') },
];

for (const { name, change } of FUTURE) {
  test(`F33: an object of ${name} is refused by its code, and neither rewritten nor skipped`, async (t) => {
    const objects = fixture();
    let [tried, refusals] = [0, 0];
    const silent: string[] = [];
    for (const [key, text] of Object.entries(objects)) {
      if (!text.startsWith("{") || change(text) === text || UNREAD.test(key)) continue;
      const app = await appOn({ ...objects, [key]: change(text) });
      const codes: string[] = [];
      for (const read of Object.values(READERS)) {
        const error: unknown = await read(app).catch((failure: unknown) => failure);
        if (error instanceof Error) codes.push(error instanceof FerryError ? error.code : String(error));
      }
      tried++;
      if (codes.length > 0) refusals++;
      else silent.push(key);
      assert.ok(!codes.includes("INTERNAL"), `${key}: ${codes}`);
      assert.equal(Buffer.from(await bytesOf(app, key)).toString("latin1"), change(text), `${key} was rewritten`);
    }
    t.diagnostic(`${tried} objects of ${name}: ${refusals} refused, rewritten 0; told by fsck or by a run's end alone: ${silent.length}`);
    assert.ok(refusals > 0);
  });
}
