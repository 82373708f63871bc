/** Sessions when things go wrong: aborts, a lost index, collection, faults of index and store, and time. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { FingerprintSet, fingerprintOf } from "../../../functions/registry/fingerprints.ts";
import { FLAG_PREFIX, SESSION_PREFIX } from "../../../functions/registry/layout.ts";
import type { Ports } from "../../../functions/registry/ports.ts";
import { FerryError } from "../../../shared/errors.ts";
import { Manifest } from "../../../shared/manifest.ts";
import { digestOf, type Files } from "../../support/pusher.ts";
import { codeOf, ground, logLength, MODEL, rankOf, ranksOf, refusalOf, SHARES, sealAll } from "./parts-ground.ts";

test("after an abort nothing is sealed, committed or joined under that name; aborting again is fine", async () => {
  const app = await ground();
  const upload = await sealAll(app, "job-1", [3]);
  const late = rankOf(app, { part: 3, parts: 4 });
  await late.send(upload, SHARES[3] ?? {});
  await late.abort(upload);
  await late.abort(upload);
  for (const call of [() => late.seal(upload, SHARES[3] ?? {}), () => late.join(), () => late.commit(upload)])
    assert.equal(await codeOf(call()), "SESSION_ENDED");
  const whole = await sealAll(app, "job-2");
  await late.abort(whole);
  const refusal = await refusalOf(late.commit(whole), "SESSION_ENDED");
  assert.match(refusal.message, /job-2 was aborted by bootstrap at 2026/);
  assert.equal(await logLength(app), 0);
  await sealAll(app, "job-3");
});

test("once it is committed a session can't be aborted, and whoever comes late still gets its revision", async () => {
  const app = await ground();
  const upload = await sealAll(app);
  const [{ rank, files } = assert.fail()] = ranksOf(app);
  const { revision } = await rank.commit(upload);
  assert.match((await refusalOf(rank.abort(upload), "SESSION_ENDED")).message, /was committed by/);
  assert.equal(await rank.bring(files), upload);
  assert.equal((await rank.commit(upload)).revision, revision);
});

test("an abort between any two steps of a commit: no revision after an abort that was answered, none missing otherwise", async () => {
  const won = { abort: 0, commit: 0 };
  for (let at = 1, reached = true; reached; at++) {
    const between: { act: (() => Promise<void>) | null } = { act: null };
    let calls = 0;
    const app = await ground({
      decorate: intercepted(async (call) => {
        if (between.act === null || ++calls !== at) return call();
        const { act } = between;
        between.act = null;
        await act();
        return call();
      }),
    });
    const upload = await sealAll(app);
    let abort = "";
    between.act = async () => {
      abort = await codeOf(rankOf(app).abort(upload));
    };
    const commit = await codeOf(rankOf(app).commit(upload));
    reached = between.act === null;
    if (!reached) continue;
    assert.deepEqual([commit, abort].toSorted(), ["OK", "SESSION_ENDED"], `before call ${at}`);
    assert.equal(await logLength(app), commit === "OK" ? 1 : 0);
    won[commit === "OK" ? "commit" : "abort"]++;
  }
  assert.ok(won.abort > 10 && won.commit > 0, JSON.stringify(won));
});

test("what is sealed stands without the index and without its rank: it is wiped, and any rank commits", async () => {
  const app = await ground();
  const upload = await sealAll(app);
  app.indexes.wipe();
  const revision = await rankOf(app).commit(upload);
  assert.deepEqual([revision.fileCount, revision.newBytes], [6, 19]);
  app.indexes.wipe();
  assert.equal((await rankOf(app).commit(upload, { parent: null })).revision, revision.revision);
  assert.equal(await logLength(app), 1);
  const { rank, files } = ranksOf(app, "job-2")[1] ?? assert.fail();
  const { upload: second } = await rank.join();
  assert.equal(await rank.send(second, files), 0, "the base revision's chunks are not sent again");
});

test("the index is lost between confirming and sealing: the same upload goes on, and nothing is stored twice", async () => {
  const app = await ground();
  const { rank, files } = ranksOf(app)[0] ?? assert.fail();
  const { upload } = await rank.join();
  await rank.send(upload, files);
  app.indexes.wipe();
  assert.equal((await rank.join()).upload, upload);
  assert.equal(await codeOf(rank.seal(upload, files)), "CHUNK_UNPROVEN");
  const reservation = await rank.pusher.reserve(MODEL, upload, files);
  assert.deepEqual(await rank.pusher.send(reservation, files), [412, 412]);
  assert.deepEqual(await rank.pusher.confirm(MODEL, upload, reservation), []);
  await rank.seal(upload, files);
  app.indexes.wipe();
  await rank.seal(upload, files);
});

test("collection condemns a chunk after it was sealed: the commit asks its rank for it, who seals again with a fresh place", async () => {
  const app = await ground();
  await rankOf(app).pusher.push(MODEL, { old: "bbbbbb" });
  const upload = await sealAll(app);
  const chunk = digestOf("bbbbbb");
  const [entry] = await app.ports.chunks.find([chunk]);
  const intent = new FingerprintSet();
  intent.add(fingerprintOf(chunk, entry?.tag ?? ""));
  await app.stores.home.bucket.put(`${FLAG_PREFIX}0001.intent`, intent.sorted());
  const { rank, files } = ranksOf(app)[1] ?? assert.fail();
  const refusal = await refusalOf(rank.commit(upload), "CHUNK_UNPROVEN");
  assert.deepEqual([refusal.details["chunks"], refusal.details["attempt"]], [[chunk], 2]);
  assert.equal(await codeOf(ranksOf(app)[0]?.rank.commit(upload) ?? assert.fail()), "CHUNK_UNPROVEN");
  assert.equal(await rank.send(upload, files, 2), 1);
  await rank.seal(upload, files, 1);
  assert.equal(await codeOf(rank.commit(upload)), "CHUNK_UNPROVEN", "the same attempt changes nothing");
  await rank.seal(upload, files, 2);
  assert.equal((await rank.commit(upload)).fileCount, 6);
});

/** Every call of the home bucket and of the index goes through `around`. */
function intercepted(around: (call: () => Promise<unknown>) => Promise<unknown>): (ports: Ports) => Ports {
  const wrap = <T extends object>(port: T): T =>
    new Proxy(port, {
      get(target, key) {
        const member: unknown = Reflect.get(target, key, target);
        if (typeof member !== "function") return member;
        // The one that asks nothing, and gives an index that is asked.
        if (key === "atLeast") return (...args: unknown[]) => wrap(member.apply(target, args));
        return (...args: unknown[]) => around(async () => member.apply(target, args));
      },
    });
  const bound = (target: object, key: string | symbol): unknown => {
    const member: unknown = Reflect.get(target, key, target);
    return typeof member === "function" ? member.bind(target) : member;
  };
  return (ports) => {
    const bucket = wrap(ports.stores.home.bucket);
    const home = new Proxy(ports.stores.home, { get: (target, key) => (key === "bucket" ? bucket : bound(target, key)) });
    const stores = new Proxy(ports.stores, { get: (target, key) => (key === "home" ? home : bound(target, key)) });
    return { ...ports, stores, repositories: wrap(ports.repositories), chunks: wrap(ports.chunks), leases: wrap(ports.leases) };
  };
}

test("a fault at any call of the commit, before or after it took effect: repeated, it lands once and answers one revision", async () => {
  let faults = 0;
  for (const when of ["before", "after"] as const) {
    for (let at = 1, reached = true; reached; at++) {
      const fault = { armed: false, calls: 0 };
      const fail = () => {
        throw new FerryError("STORAGE_UNAVAILABLE", { store: "home", problem: "injected" });
      };
      const app = await ground({
        decorate: intercepted(async (call) => {
          const fails = fault.armed && ++fault.calls === at;
          if (fails && when === "before") fail();
          const result = await call();
          return fails ? fail() : result;
        }),
      });
      const upload = await sealAll(app);
      fault.armed = true;
      const first = await codeOf(rankOf(app).commit(upload));
      fault.armed = false;
      reached = fault.calls >= at;
      // A lease that was taken, and not given back, ends.
      app.clock.advance(61_000);
      const revisions = [await rankOf(app).commit(upload), await rankOf(app).commit(upload)];
      assert.equal(new Set(revisions.map(({ revision }) => revision)).size, 1);
      assert.equal(await logLength(app), 1, `${when} call ${at}`);
      if (reached) faults++;
      else assert.equal(first, "OK");
    }
  }
  assert.ok(faults > 20, `only ${faults} calls`);
});

test("a session lives for a week, whatever it holds; a name that comes again after that has chunk keys of its own", async () => {
  const app = await ground();
  const rank = rankOf(app, { parts: 2 });
  const upload = await rank.bring({ a: "aaaa" });
  const keys = async () => (await app.stores.home.bucket.list("chunks/")).objects.map(({ key }) => key);
  const first = await keys();
  app.clock.advance(7 * 86_400_000 + 1);
  for (const call of [() => rank.seal(upload, { a: "aaaa" }), () => rank.commit(upload), () => rank.abort(upload)])
    assert.equal(await codeOf(call()), "UPLOAD_UNKNOWN");
  assert.match((await refusalOf(rank.join(), "SESSION_ENDED")).message, /has expired/);
  const { objects } = await app.stores.home.bucket.list(SESSION_PREFIX);
  // As collection does: whatever is older than two weeks.
  await app.stores.home.bucket.delete([...objects.map(({ key }) => key), ...first]);
  app.indexes.wipe();
  const again = await rank.bring({ a: "aaaa" });
  assert.notEqual(again, upload);
  const second = await keys();
  assert.deepEqual([first.length, second.length], [1, 1]);
  assert.notDeepEqual(second, first);
  assert.equal((await refusalOf(rank.commit(again), "PARTS_MISSING")).details["missing"], "1");
});

test("an old end does not hide a session of the same name that was opened later", async () => {
  const app = await ground();
  const rank = rankOf(app, { parts: 2 });
  await rank.abort(await rank.bring({ a: "1" }));
  app.clock.advance(15 * 86_400_000);
  const { objects } = await app.stores.home.bucket.list(SESSION_PREFIX);
  await app.stores.home.bucket.delete(objects.map(({ key }) => key).filter((key) => key.includes("/open/")));
  await rank.bring({ a: "2" });
  const { sessions } = await app.admin.call("listSessions", { repository: MODEL });
  assert.deepEqual(
    sessions.map(({ sealed }) => sealed),
    [[0]],
  );
});

test("100,000 files in 8 parts become one revision; one more is refused", async (t) => {
  const app = await ground();
  const share = (part: number, count: number): Files =>
    Object.fromEntries(Array.from({ length: count }, (_, at) => [`layer-${at % 97}/rank-${part}/tensor-${at}.bin`, ""]));
  const parts = 8;
  const shares = Array.from({ length: parts }, (_, part) => share(part, 12_500));
  let upload = "";
  const startedAt = performance.now();
  for (const { rank, files } of ranksOf(app, "job-1", shares)) upload = await rank.bring(files);
  const sealedAt = performance.now();
  const revision = await rankOf(app).commit(upload);
  const ms = Math.round(performance.now() - sealedAt);
  assert.equal(revision.fileCount, 100_000);
  t.diagnostic(`sealing 8 × 12,500 files ${Math.round(sealedAt - startedAt)} ms, committing them ${ms} ms`);
  const { manifest } = await app.admin.call("manifest", { repository: MODEL, params: { ref: "main" } });
  assert.equal(Manifest.parse(manifest).files.length, 100_000);
  for (const { rank, files } of ranksOf(app, "job-2", [...shares, { "one-more": "" }])) upload = await rank.bring(files);
  const refusal = await refusalOf(rankOf(app).commit(upload), "MANIFEST_INVALID");
  assert.match(refusal.message, /100001 files instead of at most 100000/);
});
