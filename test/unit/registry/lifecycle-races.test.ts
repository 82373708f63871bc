import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Margins } from "../../../functions/registry/collect/margins.ts";
import { ENVELOPE_PREFIX } from "../../../functions/registry/layout.ts";
import type { Bucket, Ports, Store } from "../../../functions/registry/ports.ts";
import type { RevisionId } from "../../../shared/names.ts";
import { operationId, refName } from "../../support/memory-app.ts";
import type { Files } from "../../support/pusher.ts";
import { COPY, calls, codeOf, collect, MODEL, makeWorld, missingChunks, purgeNow, readWhole, type World } from "./lifecycle-world.ts";

const FILES: Files = { a: "first", shared: "shared" };

/** Waits for so many turns of the event loop. */
async function turn(times: number): Promise<void> {
  for (let left = times; left > 0; left--) await new Promise<void>((resolve) => setImmediate(resolve));
}

/** Margins that find garbage at once, and a home bucket whose calls wait for `turns` turns of the event loop. */
function slowed(turns: () => number): (ports: Ports) => Ports {
  const waits =
    <A extends unknown[], R>(call: (...given: A) => Promise<R>) =>
    async (...given: A): Promise<R> => {
      await turn(turns());
      return call(...given);
    };
  return (ports) => {
    const { home } = ports.stores;
    const { bucket } = home;
    const slow: Bucket = {
      create: waits((key, bytes) => bucket.create(key, bytes)),
      put: waits((key, bytes) => bucket.put(key, bytes)),
      get: waits((key) => bucket.get(key)),
      head: waits((key) => bucket.head(key)),
      list: waits((prefix, options) => bucket.list(prefix, options)),
      delete: waits((keys) => bucket.delete(keys)),
    };
    const store: Store = {
      profile: home.profile,
      bucket: slow,
      chunks: home.chunks,
      objects: home.objects,
      probed: () => home.probed(),
      probe: () => home.probe(),
      setup: () => home.setup(),
    };
    const margins = Margins.parse({ chunkAgeMs: 0, intentWaitMs: 0, skewMs: 0, shareMax: 1 });
    return { ...ports, margins, stores: { home: store, all: () => [store], get: () => store } };
  };
}

const ALLOWED = new Set([
  ...["OK", "REVISION_DELETED", "REVISION_UNKNOWN", "REVISION_NOT_DELETED", "REVISION_IN_USE", "REF_UNKNOWN", "BRANCH_MOVED"],
  ...["CHUNK_CONDEMNED", "TAG_EXISTS"],
]);

/** What becomes of one revision that everybody wants something of. */
async function race(world: World, picks: readonly string[]): Promise<Record<string, string>> {
  const old = await world.push(FILES);
  await world.push({ b: "second", shared: "shared" });
  const purge = async () => {
    await calls.trash(world, [old]);
    await calls.purge(world, [old], true);
  };
  const acts: Record<string, () => Promise<unknown>> = {
    purge,
    collect: async () => {
      await codeOf(purge());
      await collect(world);
    },
    clone: () => calls.clone(world, old),
    restore: () =>
      world.admin.call("restoreBranch", {
        repository: MODEL,
        params: { branch: "back" },
        body: { ref: old, expected: null, operationId: operationId() },
      }),
    tag: () => calls.tag(world, "v1", old),
    untrash: () => calls.untrash(world, [old]),
    push: () => world.push(FILES, { branch: refName("again") }),
  };
  const codes = await Promise.all(picks.map(async (name) => [name, await codeOf(acts[name]?.() ?? Promise.resolve())] as const));
  return Object.fromEntries(codes);
}

/** Every revision that any ref or listing gives must be whole, now and after two more collections. */
async function assertWhole(world: World, said: string): Promise<void> {
  for (let round = 0; round < 3; round++) {
    assert.deepEqual(await missingChunks(world), [], said);
    for (const repository of [MODEL, COPY]) {
      const found = await world.admin.call("listRevisions", { repository, query: {} }).catch(() => ({ revisions: [] }));
      for (const { revision } of found.revisions) await readWhole(world, repository, revision);
    }
    if (round < 2) await collect(world);
  }
}

test("F17: purge, collection, clone, restore, tag, untrash and push of one revision at once: each ends whole or refused", async (t) => {
  const tally = new Map<string, number>();
  let races = 0;
  const names = ["collect", "clone", "restore", "tag", "untrash", "push", "purge"];
  await fc.assert(
    fc.asyncProperty(
      fc.shuffledSubarray(names, { minLength: 3 }),
      fc.array(fc.integer({ min: 0, max: 6 }), { minLength: 50, maxLength: 50 }),
      async (picks, delays) => {
        let at = 0;
        const world = await makeWorld({ decorate: slowed(() => delays[at++ % delays.length] ?? 0) });
        const codes = await race(world, picks);
        const said = JSON.stringify({ picks, delays, codes });
        for (const [name, code] of Object.entries(codes)) {
          assert.ok(ALLOWED.has(code), said);
          tally.set(`${name} ${code}`, (tally.get(`${name} ${code}`) ?? 0) + 1);
        }
        races++;
        await assertWhole(world, said);
      },
    ),
    { numRuns: 120 },
  );
  t.diagnostic(
    `${races} races, broken 0: ${[...tally]
      .sort()
      .map(([outcome, count]) => `${outcome} ${count}`)
      .join(", ")}`,
  );
  // Races that all end one way would show nothing.
  for (const outcome of ["clone OK", "clone REVISION_DELETED", "restore OK", "tag OK", "tag REVISION_DELETED"])
    assert.ok((tally.get(outcome) ?? 0) > 0, outcome);
});

const COPIES: Record<string, (world: World, old: RevisionId) => Promise<unknown>> = {
  clone: (world, old) => calls.clone(world, old),
  restore: ({ admin }, old) =>
    admin.call("restoreBranch", { repository: MODEL, params: { branch: "back" }, body: { ref: old, operationId: operationId() } }),
};

for (const [name, copy] of Object.entries(COPIES)) {
  test(`F17: a ${name} whose source is purged and collected before it publishes is refused, and leaves nothing that is not whole`, async () => {
    const world = await makeWorld({ decorate: slowed(() => 0) });
    const old = await world.push(FILES);
    await world.push({ b: "second", shared: "shared" });
    const { bucket } = world.app.stores.home;
    const put = bucket.put.bind(bucket);
    const [reached, released] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    bucket.put = async (key, bytes) => {
      if (key.startsWith(ENVELOPE_PREFIX)) {
        bucket.put = put;
        reached.resolve();
        await released.promise;
      }
      return put(key, bytes);
    };
    const outcome = codeOf(copy(world, old));
    await reached.promise;
    await purgeNow(world, [old]);
    assert.equal((await collect(world)).deleted, 1);
    released.resolve();
    assert.equal(await outcome, "CHUNK_CONDEMNED");
    await assertWhole(world, name);
  });
}

test("F17: a repository's restore and its purge at once: one of them happens, and what is restored is whole", async (t) => {
  let [restored, purged] = [0, 0];
  await fc.assert(
    fc.asyncProperty(fc.array(fc.integer({ min: 0, max: 6 }), { minLength: 30, maxLength: 30 }), fc.nat(60), async (delays, late) => {
      let at = 0;
      const world = await makeWorld({ decorate: slowed(() => delays[at++ % delays.length] ?? 0) });
      await world.push(FILES);
      await world.admin.call("deleteRepository", { repository: MODEL, query: { operationId: operationId() } });
      const params = { id: world.id };
      const codes = await Promise.all([
        codeOf(turn(late).then(() => world.admin.call("restoreRepository", { params, body: { operationId: operationId() } }))),
        codeOf(world.admin.call("purgeRepository", { params, body: { now: true, operationId: operationId() } })),
      ]);
      assert.deepEqual([...codes].sort(), ["OK", "REPOSITORY_UNKNOWN"]);
      await assertWhole(world, JSON.stringify(delays));
      const living = await codeOf(calls.resolve(world, "main"));
      assert.equal(living, codes[0]);
      if (living === "OK") restored++;
      else purged++;
    }),
    { numRuns: 100 },
  );
  t.diagnostic(`${restored + purged} races: ${restored} restored and whole, ${purged} purged`);
  assert.ok(restored > 0 && purged > 0);
});
