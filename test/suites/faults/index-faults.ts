/** F5, F6, F24 and F32 of reference/safety.md §6: Redis loses keys, loses answers, is full, and answers reads from a copy that lags. */
import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import type { TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Redis } from "ioredis";
import { FerryClient } from "../../../shared/client.ts";
import { FerryError } from "../../../shared/errors.ts";
import { judgeCrowd, LONG_PAUSE_MS, RunningCrowd } from "../../support/crowd.ts";
import type { FaultGround } from "../../support/fault-ground.ts";
import type { Verdict } from "../../support/forwarder.ts";
import { diffWithRebuilt } from "../../support/index-diff.ts";
import { lagBehind } from "../../support/lagging-copy.ts";
import type { Live } from "../../support/live.ts";
import { operationId, repositoryName } from "../../support/memory-app.ts";
import { Pusher } from "../../support/pusher.ts";
import { startBridged } from "../../support/redis-pair.ts";

const LAG_MS = 2_000;

/** `wipes`: none for no such test. `faultyPushes`: acknowledged while calls fail; `laggingRounds`: of push, tag, and reading both back. */
export type IndexFaultsSize = { wipes: number; restores: number; faultyPushes: number; laggingRounds: number };

/** The app asks Redis by its REST bridge. */
export function indexFaultsSuite(ground: FaultGround, size: IndexFaultsSize): void {
  if (size.wipes > 0) wipedRedis(ground, size.wipes);
  restoredRedis(ground, size.restores);
  lostAnswers(ground, size);
  laggingReads(ground, size);
  fullRedis(ground);
}

function wipedRedis(ground: FaultGround, wipes: number): void {
  ground.test(`F5: FLUSHALL ${wipes} times beside pushes and collection`, { timeout: 240_000 }, async (t, { live, raw }) => {
    const running = crowd(t, live, "wiped", LONG_PAUSE_MS);
    const collector = collecting(t, live);
    for (let wipe = 0; wipe < wipes; wipe++) {
      await running.more(10);
      await raw.flushall();
    }
    await Promise.all([running.more(10), collector.more(2)]);
    const runs = await collector.stop();
    const { figures } = await judge(live, running);
    t.diagnostic(`${wipes} wipes, ${runs.cycles} collections with ${runs.deleted} chunks deleted; ${figures}`);
  });
}

function restoredRedis(ground: FaultGround, restores: number): void {
  ground.test(
    `F5: 30 % of the keys come back from an older dump, ${restores} times, beside pushes and collection`,
    {
      timeout: 240_000,
    },
    async (t, { live, raw }) => {
      const running = crowd(t, live, "restored", LONG_PAUSE_MS);
      const collector = collecting(t, live);
      let restored = 0;
      // A dump of an empty Redis would bring nothing back.
      await running.more(6);
      for (let restore = 0; restore < restores; restore++) {
        const dump = await dumpOf(raw);
        await running.more(6);
        restored += await restoreSome(raw, dump, 0.3);
      }
      await Promise.all([running.more(6), collector.more(1)]);
      const runs = await collector.stop();
      const { figures } = await judge(live, running);
      t.diagnostic(`${restored} keys restored, ${runs.cycles} collections with ${runs.deleted} chunks deleted; ${figures}`);
      assert.ok(restored > restores);
    },
  );
}

function lostAnswers(ground: FaultGround, { faultyPushes }: IndexFaultsSize): void {
  ground.test(
    "F6: every seventh call is done and its answer lost, is answered by a page in HTML, or breaks; two are never answered",
    {
      timeout: 240_000,
    },
    async (t, { live, index }) => {
      const counts: Record<string, number> = {};
      let [calls, hangs] = [0, 0];
      index.rule = (): Verdict => {
        calls++;
        const isHang = hangs < 2 && calls % 150 === 0;
        const die = randomInt(100);
        const verdict = isHang ? "hang" : die < 6 ? "lose" : die < 11 ? "html" : die < 15 ? "drop" : "pass";
        if (isHang) hangs++;
        counts[verdict] = (counts[verdict] ?? 0) + 1;
        return verdict;
      };
      const running = crowd(t, live, "faulty");
      await running.more(faultyPushes).finally(() => {
        index.rule = () => "pass";
      });
      const { figures, failures } = await judge(live, running);
      t.diagnostic(`${JSON.stringify(counts)} of ${calls} calls; ${figures}`);
      assert.ok(failures > 0 && (counts["lose"] ?? 0) > 0);
    },
  );
}

function laggingReads(ground: FaultGround, { laggingRounds }: IndexFaultsSize): void {
  ground.test(
    "F32: plain reads are answered from a copy that is two seconds old, and every write is read at once",
    {
      timeout: 180_000,
    },
    async (t, { live, index }) => {
      const { token } = live.stack.bridge;
      const copy = await startBridged(token);
      const lagging = lagBehind(index, { url: copy.bridge.url, token }, LAG_MS);
      try {
        const repository = repositoryName("lag/model");
        const pusher = new Pusher(live.admin, fetch as never);
        await pusher.create(repository);
        let stale = 0;
        for (let round = 0; round < laggingRounds; round++) {
          const { revision } = await pusher.push(repository, { own: `lag ${round}`, common: "common" });
          await live.admin.call("setTag", { repository, params: { tag: `v${round}` }, body: { ref: "main", operationId: operationId() } });
          const state = await live.admin.call("describeRepository", { repository });
          const history = await live.admin.call("listRevisions", { repository, query: { limit: "1" } });
          const seen = [state.refs.branches["main"], state.refs.tags[`v${round}`], history.revisions[0]?.revision];
          if (seen.some((each) => each !== revision.revision)) stale++;
        }
        t.diagnostic(
          `${laggingRounds} pushes and tags read back at once, stale ${stale}; ${lagging.reads} reads were answered by the copy`,
        );
        assert.equal(stale, 0);
        assert.ok(lagging.reads > laggingRounds, "the copy was asked");
      } finally {
        index.rule = () => "pass";
        await lagging.stop();
        await copy.stop();
      }
    },
  );
}

function fullRedis(ground: FaultGround): void {
  ground.test(
    "F24: a Redis that is full refuses pushes and serves pulls; with room again everything goes on",
    {
      timeout: 180_000,
    },
    async (t, { live, raw }) => {
      const repository = repositoryName("full/model");
      const pusher = new Pusher(live.admin, fetch as never);
      await pusher.create(repository);
      const before = await pusher.push(repository, { own: "before" });
      const { endpoint, token: admin } = live.stack;
      const once = new FerryClient({ endpoint, token: admin, fetch, sleep: async () => {}, random: Math.random, attempts: 1 });
      const hasty = new Pusher(once, fetch as never);
      const reader = live.clientFor(await live.tokenFor({ repositories: "full/*", actions: ["pull"] }));
      await reader.call("whoAmI", {});
      await raw.config("SET", "maxmemory", "1");
      const refusals: string[] = [];
      let pulls = 0;
      const attempts = 3;
      for (let attempt = 0; attempt < attempts; attempt++) {
        const refused = await hasty.push(repository, { own: `full ${attempt}` }).catch((error: unknown) => error);
        refusals.push(refused instanceof FerryError ? refused.code : "taken");
        const { revision } = await reader.call("resolve", { repository, params: { ref: before.revision.revision } });
        const { manifest } = await reader.call("manifest", { repository, params: { ref: revision } });
        if (manifest.files.length === 1) pulls++;
      }
      await raw.config("SET", "maxmemory", "0");
      const after = await pusher.push(repository, { own: "after" });
      t.diagnostic(`full: ${attempts} pushes were answered ${[...new Set(refusals)].join(", ")}, ${pulls} of ${attempts} pulls succeeded`);
      assert.deepEqual([new Set(refusals), pulls], [new Set(["INDEX_UNAVAILABLE"]), attempts]);
      assert.equal((await live.admin.call("resolve", { repository, params: { ref: "main" } })).revision, after.revision.revision);
      await lookUntilSound(live.admin);
      assert.deepEqual((await diffWithRebuilt({ stack: live.stack })).differences, []);
    },
  );
}

/** The bells that would ring, then the verdict on the clients, and the living index beside one from the bucket alone. */
async function judge(live: Live, running: RunningCrowd) {
  const result = await running.stop();
  await lookUntilSound(live.admin);
  const verdict = await judgeCrowd(live, result);
  const diff = await diffWithRebuilt({ stack: live.stack });
  const lost = `${verdict.revisions} revisions acknowledged, lost ${verdict.lost}, doubled ${verdict.doubled}, torn ${verdict.torn}`;
  const felt = `${result.failures} calls failed, the longest push took ${Math.round(result.longestMs)} ms`;
  const rebuilt = `rebuilt beside in ${diff.seconds.toFixed(1)} s: ${diff.differences.length} differences in ${diff.keys} keys and ${diff.chunks} chunks`;
  assert.deepEqual([verdict.lost, verdict.doubled, verdict.torn, diff.differences], [0, 0, 0, []], lost);
  return { figures: `${lost}; ${felt}; ${rebuilt}`, failures: result.failures };
}

/** Ends with its test, however that ends. */
function crowd(t: TestContext, live: Live, name: string, pauseMs?: number): RunningCrowd {
  const running = new RunningCrowd(live, name, pauseMs === undefined ? {} : { pauseMs });
  t.after(() => running.stop().catch(() => {}));
  return running;
}

/** As the bell does it each minute. */
async function lookUntilSound(admin: FerryClient): Promise<void> {
  for (let looks = 0; looks < 20; looks++) if ((await admin.call("checkIndex", {})).state === "sound") return;
  throw new Error("20 looks were not enough");
}

/** Makes garbage and collects it, again and again. */
function collecting(t: TestContext, live: Live) {
  const counts = { cycles: 0, deleted: 0 };
  let running = true;
  const work = (async () => {
    const repository = repositoryName(`collected/model-${randomInt(1e9)}`);
    const pusher = new Pusher(live.admin, fetch as never);
    await persistently(() => pusher.create(repository));
    for (let round = 0; running; round++) {
      await persistently(() => makeGarbage(live, pusher, repository, round));
      await persistently(async () => {
        const { run } = await live.admin.call("startCollect", { body: { dryRun: false } });
        for (let phase = run?.phase; phase !== undefined && phase !== "done" && phase !== "aborted"; ) {
          const next = (await live.admin.call("stepCollect", {})).run;
          phase = next?.phase;
          if (phase === "done") counts.deleted += next?.deleted ?? 0;
          if (phase === "done") counts.cycles++;
          assert.equal(next?.missing ?? 0, 0);
        }
      });
    }
  })();
  work.catch(() => {});
  t.after(() => {
    running = false;
  });
  return {
    async more(cycles: number) {
      const wanted = counts.cycles + cycles;
      while (counts.cycles < wanted) await Promise.race([work, sleep(5)]);
    },
    async stop() {
      running = false;
      await work;
      return counts;
    },
  };
}

async function makeGarbage(live: Live, pusher: Pusher, repository: ReturnType<typeof repositoryName>, round: number): Promise<void> {
  const old = await pusher.push(repository, { own: `garbage ${round}` });
  await pusher.push(repository, { own: `kept ${round}` });
  const revisions = [old.revision.revision];
  await live.admin.call("trashRevisions", { repository, body: { revisions, operationId: operationId() } });
  await live.admin.call("purgeRevisions", { repository, body: { revisions, now: true, operationId: operationId() } });
}

async function persistently(act: () => Promise<void>): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await act();
    } catch (error) {
      if (!(error instanceof FerryError) || attempt > 20) throw error;
      if (error.code === "REPOSITORY_EXISTS") return;
      if (!error.retryable && !["BRANCH_MOVED", "CHUNK_UNPROVEN", "REVISION_UNKNOWN", "REVISION_NOT_DELETED"].includes(error.code))
        throw error;
    }
  }
}

type Dump = { key: string; bytes: Buffer; ttlMs: number }[];

async function dumpOf(raw: Redis): Promise<Dump> {
  const dump: Dump = [];
  // But leases: one that comes back holds up its work until its time is over, and that is all.
  for (const key of (await raw.keys("mf:1:*")).filter((name) => !name.includes(":lease:"))) {
    const [bytes, ttlMs] = [await raw.dumpBuffer(key), await raw.pttl(key)];
    if (bytes !== null) dump.push({ key, bytes, ttlMs: Math.max(0, ttlMs) });
  }
  return dump;
}

async function restoreSome(raw: Redis, dump: Dump, share: number): Promise<number> {
  const chosen = dump.filter(() => randomInt(1000) < share * 1000);
  for (const { key, bytes, ttlMs } of chosen) await raw.restore(key, ttlMs, bytes, "REPLACE");
  return chosen.length;
}
