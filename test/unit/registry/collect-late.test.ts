/** Traces of test/models/run-model.ts and collect-model.ts, played on the real collection over memory ports. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Margins } from "../../../functions/registry/collect/margins.ts";
import { startCollect, stepCollect } from "../../../functions/registry/collect/run.ts";
import { CHUNK_PREFIX, chunkKey, ENVELOPE_PREFIX, envelopeOfKey, FLAG_PREFIX } from "../../../functions/registry/layout.ts";
import { listAll } from "../../../functions/registry/listing.ts";
import { decodeRecord, Envelope } from "../../../functions/registry/records.ts";
import { FerryError } from "../../../shared/errors.ts";
import { type MemoryApp, memoryApp, operationId, refName, repositoryName } from "../../support/memory-app.ts";
import { digestOf, Pusher } from "../../support/pusher.ts";

const MODEL = repositoryName("team/model");
const DAY_MS = 86_400_000;

async function eagerApp(): Promise<MemoryApp> {
  const margins = Margins.parse({ chunkAgeMs: 0, intentWaitMs: 0, shareMax: 1 });
  let n = 0;
  // The canaries stay the first twenty roots.
  const random = {
    bytes: (count: number) =>
      Uint8Array.from({ length: count }, (_, at) => (count === 4 ? (at === 3 ? 100 : 0) : (n++ * 7 + at * 13) & 0xff)),
  };
  return memoryApp({ decorate: (ports) => ({ ...ports, margins, random }) });
}

async function chunkKeys(app: MemoryApp): Promise<Set<string>> {
  return new Set((await listAll(app.stores.home.bucket, CHUNK_PREFIX)).map(({ key }) => key));
}

/** Chunks that the envelopes of living revisions name and that are gone. */
async function missingChunks(app: MemoryApp): Promise<string[]> {
  const keys = await chunkKeys(app);
  const missing: string[] = [];
  for (const { key } of await listAll(app.stores.home.bucket, ENVELOPE_PREFIX)) {
    const { placement, repositoryId } = decodeRecord(Envelope, (await app.stores.home.bucket.get(key)) ?? new Uint8Array(), key);
    const fate = await app.ports.repositories.envelopeFate(repositoryId, envelopeOfKey(key).attempt);
    if (fate?.state !== "living") continue;
    missing.push(...placement.map(([sha256, , tag]) => chunkKey(sha256, tag)).filter((chunk) => !keys.has(chunk)));
  }
  return missing;
}

async function runToEnd(app: MemoryApp) {
  for (let steps = 0; steps < 200; steps++) {
    const { run } = await stepCollect(app.ports);
    if (run === null || run.phase === "done" || run.phase === "aborted") return run;
  }
  throw new Error("no end");
}

test("F13, F14: a PUT of a live part that lands late, or a paused server's, takes nothing away: no living chunk becomes garbage", async () => {
  const app = await eagerApp();
  const pusher = new Pusher(app.admin, app.stores.fetch);
  await pusher.create(MODEL);
  for (let at = 0; at < 130; at++) await pusher.push(MODEL, { [`f${at}`]: `content ${at}` });
  app.clock.advance(4 * DAY_MS);
  await startCollect(app.ports, { dryRun: false });
  const { bucket } = app.stores.home;
  const { put, list } = { put: bucket.put.bind(bucket), list: bucket.list.bind(bucket) };
  const late: [string, Uint8Array][] = [];
  // Step 1 reads one page of 100 envelopes and then its time is up; its PUTs of live parts get no answer.
  bucket.list = async (prefix, options) => {
    const page = await list(prefix, options);
    if (prefix === ENVELOPE_PREFIX) app.clock.advance(20_000);
    return page;
  };
  bucket.put = async (key, bytes) => {
    if (!key.includes("/live-")) return put(key, bytes);
    late.push([key, bytes.slice()]);
    throw new FerryError("STORAGE_UNAVAILABLE", { store: "home", problem: "no answer" });
  };
  await assert.rejects(stepCollect(app.ports));
  bucket.list = list;
  bucket.put = put;
  // Step 2 does the part again, to the end of the listing. Then the PUTs of step 1 land.
  await stepCollect(app.ports);
  // Not all of them were sent: those of partitions that were still waiting in the pool never go.
  for (const [key, bytes] of late) await put(key, bytes);
  const run = await runToEnd(app);
  assert.ok(late.length > 0);
  assert.deepEqual([run?.phase, run?.garbage], ["done", 0]);
  assert.deepEqual(await missingChunks(app), []);
});

test("F5, F14: an index entry that Redis brings back after the delete never gets a missing chunk committed, however late the push", async () => {
  const app = await eagerApp();
  const pusher = new Pusher(app.admin, app.stores.fetch);
  await pusher.create(MODEL);
  const { revision } = await pusher.push(MODEL, { a: "aaaa" });
  await pusher.push(MODEL, { b: "bbbb" });
  const chunk = digestOf("aaaa");
  const [entry = null] = await app.ports.chunks.find([chunk]);
  assert.ok(entry !== null);
  const revisions = [revision.revision];
  await app.admin.call("trashRevisions", { repository: MODEL, body: { revisions, reason: "test", operationId: operationId() } });
  await app.admin.call("purgeRevisions", { repository: MODEL, body: { revisions, now: true, operationId: operationId() } });
  app.clock.advance(4 * DAY_MS);
  await startCollect(app.ports, { dryRun: false });
  assert.equal((await runToEnd(app))?.deleted, 1);
  // A failover loses the removal of the entry, which was acknowledged a moment before.
  await app.ports.chunks.add([{ ...entry, sha256: chunk }]);
  // Nobody pushes this content for a month; then runs begin again, day by day, and tidy what is old.
  app.clock.advance(31 * DAY_MS);
  for (let day = 0; day < 10; day++) {
    await startCollect(app.ports, { dryRun: false });
    await runToEnd(app);
    app.clock.advance(DAY_MS);
  }
  const flags = await listAll(app.stores.home.bucket, FLAG_PREFIX);
  assert.equal(
    flags.filter(({ modifiedAtMs }) => modifiedAtMs < app.clock.now() - 30 * DAY_MS).length,
    0,
    "the first run's flags are gone",
  );
  await pusher.push(MODEL, { a: "aaaa" }, { branch: refName("other") });
  assert.deepEqual(await missingChunks(app), []);
});

test("a run that stood still for a month keeps its flags for as long after its deletes as any other", async () => {
  const app = await eagerApp();
  const pusher = new Pusher(app.admin, app.stores.fetch);
  await pusher.create(MODEL);
  const { revision } = await pusher.push(MODEL, { a: "aaaa" });
  await pusher.push(MODEL, { b: "bbbb" });
  const revisions = [revision.revision];
  await app.admin.call("trashRevisions", { repository: MODEL, body: { revisions, reason: "test", operationId: operationId() } });
  await app.admin.call("purgeRevisions", { repository: MODEL, body: { revisions, now: true, operationId: operationId() } });
  app.clock.advance(4 * DAY_MS);
  let { run } = await startCollect(app.ports, { dryRun: false });
  while (run?.phase !== "wait") ({ run } = await stepCollect(app.ports));
  // Cron is dead for a month. An upload is opened on the last day and told `have`.
  app.clock.advance(30 * DAY_MS);
  const { upload, parent } = await pusher.open(MODEL, refName("other"));
  assert.deepEqual((await pusher.reserve(MODEL, upload, { a: "aaaa" })).have, [digestOf("aaaa")]);
  assert.equal((await runToEnd(app))?.deleted, 1);
  app.clock.advance(3600_000);
  await startCollect(app.ports, { dryRun: false });
  await pusher.commit(MODEL, upload, { a: "aaaa" }, { parent }).catch((error: unknown) => {
    assert.ok(error instanceof FerryError && error.code === "CHUNK_UNPROVEN");
  });
  assert.deepEqual(await missingChunks(app), []);
});
