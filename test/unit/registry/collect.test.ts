import assert from "node:assert/strict";
import { test } from "node:test";
import { Margins } from "../../../functions/registry/collect/margins.ts";
import { CHUNK_PREFIX, chunkKey, ENVELOPE_PREFIX, envelopeOfKey, FLAG_PREFIX, runKey } from "../../../functions/registry/layout.ts";
import { listAll } from "../../../functions/registry/listing.ts";
import type { ObjectInfo } from "../../../functions/registry/ports.ts";
import { decodeRecord, Envelope, encodeRecord } from "../../../functions/registry/records.ts";
import type { CollectRun } from "../../../shared/contract/collect.ts";
import { FerryError } from "../../../shared/errors.ts";
import type { RevisionId } from "../../../shared/names.ts";
import { type MemoryApp, memoryApp, operationId, refName, repositoryName } from "../../support/memory-app.ts";
import { digestOf, type Files, Pusher } from "../../support/pusher.ts";

const MODEL = repositoryName("team/model");
const DAY_MS = 86_400_000;

/** Margins that find garbage at once; what is pending is kept, as the protocol needs it to be. */
async function eagerApp(margins: Partial<Margins> = {}): Promise<MemoryApp> {
  const eager = Margins.parse({ chunkAgeMs: 0, intentWaitMs: 0, skewMs: 0, shareMax: 1, ...margins });
  return memoryApp({ decorate: (ports) => ({ ...ports, margins: eager }) });
}

async function collect(app: MemoryApp, request: { dryRun?: boolean; shareMax?: number } = { dryRun: false }): Promise<CollectRun> {
  app.clock.advance(1);
  let { run } = await app.admin.call("startCollect", { body: request });
  while (run !== null && run.phase !== "done" && run.phase !== "aborted") ({ run } = await app.admin.call("stepCollect", {}));
  assert.ok(run !== null);
  return run;
}

async function chunkKeys(app: MemoryApp): Promise<Set<string>> {
  return new Set((await listAll(app.stores.home.bucket, CHUNK_PREFIX)).map(({ key }) => key));
}

/** Every chunk that the envelope of a living revision names must be there. */
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

async function pushed(app: MemoryApp, files: Files): Promise<RevisionId> {
  const { revision } = await new Pusher(app.admin, app.stores.fetch).push(MODEL, files);
  return revision.revision;
}

async function purge(app: MemoryApp, revisions: RevisionId[]): Promise<void> {
  await app.admin.call("trashRevisions", { repository: MODEL, body: { revisions, reason: "test", operationId: operationId() } });
  await app.admin.call("purgeRevisions", { repository: MODEL, body: { revisions, now: true, operationId: operationId() } });
}

test("what revisions name stays; what only a purged revision named goes, with its envelope", async () => {
  const app = await eagerApp();
  await new Pusher(app.admin, app.stores.fetch).create(MODEL);
  const first = await pushed(app, { a: "aaaa", shared: "ssss" });
  await pushed(app, { b: "bbbb", shared: "ssss" });
  assert.equal((await collect(app)).garbage, 0);
  await purge(app, [first]);
  const run = await collect(app);
  assert.deepEqual([run.garbage, run.deleted, run.garbageBytes], [1, 1, 4]);
  assert.equal((await chunkKeys(app)).size, 2);
  assert.equal((await listAll(app.stores.home.bucket, ENVELOPE_PREFIX)).length, 1);
  assert.deepEqual(await missingChunks(app), []);
  assert.equal((await collect(app)).garbage, 0);
});

test("a dry run tells what would go, and changes nothing", async () => {
  const app = await eagerApp();
  const pusher = new Pusher(app.admin, app.stores.fetch);
  await pusher.create(MODEL);
  const { upload } = await pusher.open(MODEL);
  await pusher.send(await pusher.reserve(MODEL, upload, { orphan: "never committed" }), { orphan: "never committed" });
  const before = await chunkKeys(app);
  const run = await collect(app, { dryRun: true });
  assert.deepEqual([run.phase, run.garbage, run.deleted], ["done", 1, 0]);
  assert.deepEqual(await chunkKeys(app), before);
  assert.equal((await listAll(app.stores.home.bucket, FLAG_PREFIX)).length, 0);
});

test("young chunks and pending envelopes are kept for as long as the margins say", async () => {
  const app = await memoryApp();
  const pusher = new Pusher(app.admin, app.stores.fetch);
  await pusher.create(MODEL);
  const { upload } = await pusher.open(MODEL);
  await pusher.send(await pusher.reserve(MODEL, upload, { orphan: "never committed" }), { orphan: "never committed" });
  assert.equal((await collect(app, { dryRun: false, shareMax: 1 })).garbage, 0);
  app.clock.advance(3 * DAY_MS);
  const started = await app.admin.call("startCollect", { body: { dryRun: false, shareMax: 1 } });
  assert.equal(started.run?.phase, "scan");
  for (let step = 0; step < 5; step++) await app.admin.call("stepCollect", {});
  assert.equal((await app.admin.call("collectStatus", {})).run?.phase, "wait");
  app.clock.advance(900_000);
  assert.equal((await collect(app)).deleted, 1);
});

test("a commit between intent and deletion is refused its condemned chunk, sends it again, and keeps it", async () => {
  const app = await eagerApp({ intentWaitMs: 60_000 });
  const pusher = new Pusher(app.admin, app.stores.fetch);
  await pusher.create(MODEL);
  const files = { weights: "slow weights" };
  const { upload, parent } = await pusher.open(MODEL);
  const reservation = await pusher.reserve(MODEL, upload, files);
  await pusher.send(reservation, files);
  await pusher.confirm(MODEL, upload, reservation);
  app.clock.advance(1);
  await app.admin.call("startCollect", { body: { dryRun: false } });
  for (let step = 0; step < 4; step++) await app.admin.call("stepCollect", {});
  assert.equal((await app.admin.call("collectStatus", {})).run?.phase, "wait");
  const refused = await pusher.commit(MODEL, upload, files, { parent }).catch((error: unknown) => error);
  assert.ok(refused instanceof FerryError && refused.code === "CHUNK_UNPROVEN" && refused.details["attempt"] === 2);
  const again = await pusher.reserve(MODEL, upload, files, 2);
  await pusher.send(again, files);
  await pusher.confirm(MODEL, upload, again, 2);
  await pusher.commit(MODEL, upload, files, { parent, attempt: 2 });
  app.clock.advance(60_000);
  // The refused envelope is pending still, so its chunk stays for as long as it might be committed.
  assert.equal((await collect(app)).deleted, 0);
  assert.equal((await chunkKeys(app)).size, 2);
  app.clock.advance(4 * DAY_MS);
  await app.admin.call("startCollect", { body: { dryRun: false } });
  for (let step = 0; step < 4; step++) await app.admin.call("stepCollect", {});
  app.clock.advance(60_000);
  assert.equal((await collect(app)).deleted, 1);
  assert.equal((await chunkKeys(app)).size, 1);
  const chunks = [digestOf("slow weights")];
  assert.equal((await app.admin.call("download", { repository: MODEL, params: { ref: "main" }, body: { chunks } })).items.length, 1);
});

/** What a broken store or a broken program would make of the run; each harms what the run sees, not what is stored. */
const RAILS: { name: string; harm: (app: MemoryApp) => Promise<void>; says: RegExp }[] = [
  {
    name: "an envelope of an unknown version",
    harm: async ({ stores }) => {
      const [envelope] = await listAll(stores.home.bucket, ENVELOPE_PREFIX);
      await stores.home.bucket.put(envelope?.key ?? "", new TextEncoder().encode('{"v":2}'));
    },
    says: /damaged/,
  },
  {
    name: "a chunk that a revision names and the store has not",
    harm: async ({ stores }) => {
      const [chunk] = await listAll(stores.home.bucket, CHUNK_PREFIX);
      await stores.home.bucket.delete([chunk?.key ?? ""]);
    },
    says: /1 chunks that revisions name are missing/,
  },
  {
    name: "a listing of envelopes that is empty although there are some",
    harm: async ({ stores }) => listedAs(stores.home.bucket, ENVELOPE_PREFIX, () => []),
    says: /was not seen by the scan/,
  },
  {
    name: "a listing of envelopes that lacks one",
    harm: async ({ stores }) => listedAs(stores.home.bucket, ENVELOPE_PREFIX, (objects) => objects.slice(1)),
    says: /was not seen by the scan/,
  },
  {
    name: "a listing of chunks that is empty although there are some",
    harm: async ({ stores }) => listedAs(stores.home.bucket, CHUNK_PREFIX, () => []),
    says: /chunks that revisions name are missing/,
  },
  {
    name: "a formatter of keys that spells every tag otherwise",
    harm: async ({ stores }) => {
      const respelled = (key: string) => key.replace(/~([0-9a-f])/, (_, digit: string) => `~${digit === "0" ? "1" : "0"}`);
      listedAs(stores.home.bucket, CHUNK_PREFIX, (objects) => objects.map((object) => ({ ...object, key: respelled(object.key) })));
    },
    says: /chunks that revisions name are missing/,
  },
  {
    name: "an envelope that can't be read",
    harm: async ({ stores }) => {
      const [envelope] = await listAll(stores.home.bucket, ENVELOPE_PREFIX);
      await stores.home.bucket.put(envelope?.key ?? "", new TextEncoder().encode("not JSON"));
    },
    says: /not JSON/,
  },
  {
    name: "a stray object among envelopes",
    harm: ({ stores }) => stores.home.bucket.put(`${ENVELOPE_PREFIX}readme.txt`, new Uint8Array(1)),
    says: /no business/,
  },
  {
    name: "a stray object among chunks",
    harm: ({ stores }) => stores.home.bucket.put(`${CHUNK_PREFIX}aa/stray`, new Uint8Array(1)),
    says: /not a chunk's key/,
  },
];

/** Makes a bucket list this prefix as `view` shows it. */
function listedAs(bucket: MemoryApp["stores"]["home"]["bucket"], prefix: string, view: (objects: ObjectInfo[]) => ObjectInfo[]): void {
  const list = bucket.list.bind(bucket);
  bucket.list = async (asked, options) => {
    const page = await list(asked, options);
    return asked.startsWith(prefix) ? { ...page, objects: view(page.objects) } : page;
  };
}

for (const { name, harm, says } of RAILS) {
  test(`F16: rail: ${name} ends the run before anything is deleted`, async () => {
    const app = await eagerApp();
    await new Pusher(app.admin, app.stores.fetch).create(MODEL);
    const old = await pushed(app, { old: "oooo" });
    await pushed(app, { a: "aaaa" });
    await purge(app, [old]);
    app.clock.advance(1000);
    await harm(app);
    const before = await chunkKeys(app);
    const run = await collect(app);
    assert.equal(run.phase, "aborted");
    assert.match(run.problem ?? "", says);
    assert.equal(run.deleted, 0);
    assert.deepEqual(await chunkKeys(app), before);
  });
}

test("F16: rail: a run that would delete too large a share ends, unless that is asked for", async () => {
  const app = await eagerApp({ shareMax: 0.2 });
  const pusher = new Pusher(app.admin, app.stores.fetch);
  await pusher.create(MODEL);
  await pusher.push(MODEL, { kept: "kept" });
  const orphans = Object.fromEntries(Array.from({ length: 150 }, (_, at) => [`o${at}`, `orphan ${at}`]));
  const { upload } = await pusher.open(MODEL);
  await pusher.send(await pusher.reserve(MODEL, upload, orphans), orphans);
  const run = await collect(app);
  assert.equal(run.phase, "aborted");
  assert.match(run.problem ?? "", /99 %/);
  assert.equal((await collect(app, { dryRun: false, shareMax: 1 })).deleted, 150);
});

test("F12, F13: 8 pushers and 2 collectors at once, versions purged meanwhile: nothing named is ever missing, and in the end no garbage is left", async (t) => {
  const app = await eagerApp();
  const repositories = Array.from({ length: 8 }, (_, at) => repositoryName(`soak/model-${at}`));
  let pushes = 0;
  let refusals = 0;
  let cycles = 0;
  let running = true;
  const push = async (at: number) => {
    const pusher = new Pusher(app.admin, app.stores.fetch);
    const repository = repositories[at] ?? MODEL;
    await pusher.create(repository);
    for (let round = 0; round < 25; round++) {
      // Contents of few kinds, so that pushers share chunks that come and go.
      const files = { own: `own ${at} ${round}`, common: `common ${(at + round) % 5}`, rare: `rare ${round % 3}` };
      const { upload, parent } = await pusher.open(repository, refName("main"));
      let attempt = 1;
      for (;;) {
        const reservation = await pusher.reserve(repository, upload, files, attempt);
        await pusher.send(reservation, files);
        await pusher.confirm(repository, upload, reservation, attempt);
        const outcome = await pusher.commit(repository, upload, files, { parent, attempt }).catch((error: unknown) => error);
        if (!(outcome instanceof FerryError)) break;
        assert.equal(outcome.code, "CHUNK_UNPROVEN", outcome.message);
        attempt = Number(outcome.details["attempt"]);
        refusals++;
      }
      pushes++;
      app.clock.advance(1);
      const { revisions } = await app.admin.call("listRevisions", { repository, query: { limit: 10 } });
      const old = revisions.slice(1).map(({ revision }) => revision);
      if (old.length > 0 && round % 2 === 1) {
        await app.admin.call("trashRevisions", { repository, body: { revisions: old, reason: "old", operationId: operationId() } });
        await app.admin.call("purgeRevisions", { repository, body: { revisions: old, now: true, operationId: operationId() } });
      }
    }
  };
  const sweep = async () => {
    while (running) {
      const answer = await app.admin.call("stepCollect", {});
      if (!answer.busy && (answer.run === null || answer.run.phase === "done")) {
        cycles++;
        await app.admin.call("startCollect", { body: { dryRun: false } });
      }
      assert.notEqual(answer.run?.phase, "aborted", answer.run?.problem ?? "");
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  const sweeping = [sweep(), sweep()];
  await Promise.all(repositories.map((_, at) => push(at))).finally(() => {
    running = false;
  });
  await Promise.all(sweeping);
  assert.deepEqual(await missingChunks(app), []);
  app.clock.advance(10 * DAY_MS);
  while ((await app.admin.call("collectStatus", {})).run?.phase !== "done") await app.admin.call("stepCollect", {});
  await collect(app);
  const last = await collect(app);
  assert.equal(last.garbage, 0);
  assert.deepEqual(await missingChunks(app), []);
  t.diagnostic(
    `${pushes} pushes beside ${cycles} cycles of collection: chunks missing 0, garbage left 0, chunks asked for anew ${refusals} times`,
  );
  assert.ok(cycles >= 20);
});

test("a store that one page lists is one partition, a larger one sixteen, one that had a million chunks 256: all collect the same", async () => {
  const app = await eagerApp();
  const { bucket } = app.stores.home;
  await new Pusher(app.admin, app.stores.fetch).create(MODEL);
  const kept = await pushed(app, { a: "aaaa", b: "bbbb", c: "cccc" });
  const sweep = async (digits: 0 | 1 | 2, orphans: number) => {
    for (let at = 0; at < orphans; at++) await bucket.put(chunkKey(digestOf(`orphan ${digits} ${at}`), "0".repeat(16)), new Uint8Array(1));
    const run = await collect(app, { dryRun: false, shareMax: 1 });
    assert.deepEqual([run.phase, run.digits, run.deleted, run.missing, run.rootChunks], ["done", digits, orphans, 0, 3], run.problem ?? "");
    assert.equal((await chunkKeys(app)).size, 3);
    return run;
  };
  await sweep(0, 40);
  const last = await sweep(1, 1_000);
  await bucket.put(runKey(last.run), encodeRecord({ ...last, chunks: 2_000_000 }));
  await sweep(2, 1_000);
  assert.deepEqual([await missingChunks(app), kept.length], [[], 40]);
});
