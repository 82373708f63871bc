/**
 * F12, F13, F14 and F24 of reference/safety.md §6 on Node, real Redis and local R2: collectors that work at the same time, one of which is stopped in the
 * middle of its deletes while the world goes on; DELETEs that the store calls failed and does much later; and a store
 * that has no room.
 */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { startNodeServer } from "../../scripts/stack/node-server.ts";
import { storeVars } from "../../scripts/stack/stores.ts";
import { FerryClient } from "../../shared/client.ts";
import type { CollectRun } from "../../shared/contract/collect.ts";
import { FerryError } from "../../shared/errors.ts";
import { contentEntries } from "../../shared/manifest.ts";
import type { RepositoryName } from "../../shared/names.ts";
import { downloadUrl } from "../../shared/tickets.ts";
import { type CrashStand, persistently, startCrashStand } from "../support/crash-stand.ts";
import { type Acknowledged, judgeCrowd, RunningCrowd } from "../support/crowd.ts";
import { type Forwarder, startForwarder, type Verdict } from "../support/forwarder.ts";
import { operationId, refName, repositoryName } from "../support/memory-app.ts";
import { type Files, Pusher } from "../support/pusher.ts";
import { whyNoRedis } from "../support/stack.ts";

/** Garbage at once; what is pending is kept, as the protocol needs it to be. */
const MARGINS = { chunkAgeMs: 0, intentWaitMs: 0, skewMs: 1_500, shareMax: 1 };
const ROUNDS = Number(process.env["FERRY_ROUNDS"] ?? 1);
const REPOSITORY = repositoryName("collectors/model");

type Collector = { client: FerryClient; front: Forwarder; pid: number; stop(): Promise<void> };

describe("collectors beside each other, on Node, real Redis and local R2", { skip: whyNoRedis() }, () => {
  const acknowledged: Acknowledged[] = [];
  let stand: CrashStand;
  let pusher: Pusher;
  before(async () => {
    stand = await startCrashStand({ runtime: "node", vars: { COLLECT_MARGINS: JSON.stringify(MARGINS) } });
    pusher = new Pusher(stand.client, fetch as never);
    await pusher.create(REPOSITORY);
  });
  after(() => stand?.stop());

  /** Of each round: what was purged is pushed again while its deletes are under way. */
  async function pushAgain(contents: readonly Files[], name: string): Promise<void> {
    for (const [at, files] of contents.entries()) {
      const message = `${name} ${at}`;
      acknowledged.push({ ...(await pushUntilTaken(pusher, files, message)), files, message });
    }
  }

  async function judge(t: TestContext, figures: string): Promise<void> {
    for (let quiet = 0; quiet < 2; quiet++) await collect(stand, stand.client);
    const last = await collect(stand, stand.client, { dryRun: true });
    const all = new Map<RepositoryName, Acknowledged[]>([[REPOSITORY, acknowledged]]);
    const verdict = await judgeCrowd(stand.live, { acknowledged: all, failures: 0, longestMs: 0 });
    t.diagnostic(
      `${figures}; ${verdict.revisions} revisions: lost ${verdict.lost}, torn ${verdict.torn}; chunks missing ${last.missing}, garbage left ${last.garbage}`,
    );
    assert.deepEqual([verdict.lost, verdict.torn, verdict.doubled, last.missing, last.garbage], [0, 0, 0, 0, 0]);
  }

  test("F12, F13: three collectors, one stopped (SIGSTOP) in the middle of its deletes while two others collect and clients push", {
    timeout: 120_000,
  }, async (t) => {
    const collectors = await Promise.all([1, 2, 3].map(() => startCollector(stand)));
    const crowd = new RunningCrowd(stand.live, "beside");
    t.after(() => crowd.stop().catch(() => {}));
    t.after(() => Promise.all(collectors.map((collector) => collector.stop())));
    const [paused, ...others] = collectors;
    assert.ok(paused !== undefined);
    let cycles = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const contents = await makeGarbage(stand, pusher, `stopped ${round}`);
      const stop = stopAtDelete(paused);
      const swept = collect(stand, paused.client).catch((error: unknown) => error);
      await stop.reached;
      await stand.endLeases();
      await Promise.all([
        pushAgain(contents, `again ${round}`),
        crowd.more(8),
        ...others.map(async ({ client }) => {
          await collect(stand, client, { leaseless: true });
          cycles++;
        }),
      ]);
      stop.goOn();
      await swept;
    }
    const beside = await judgeCrowd(stand.live, await crowd.stop());
    assert.deepEqual([beside.lost, beside.torn, beside.doubled], [0, 0, 0]);
    await judge(t, `${ROUNDS} stops in mid-sweep, ${cycles} cycles of two others meanwhile, ${beside.revisions} pushes beside them`);
  });

  test("F14: DELETEs that are answered 504 and done after their content was pushed again hit nothing that is named", {
    timeout: 120_000,
  }, async (t) => {
    const late: Promise<void>[] = [];
    let landed = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const contents = await makeGarbage(stand, pusher, `late ${round}`);
      const release = Promise.withResolvers<void>();
      let answered = 0;
      const pass = stand.store.rule;
      stand.store.rule = ({ method, path }) => {
        // The server itself tries again; what it gives up is tried by the next step.
        if (!isDelete(method, path) || answered >= 4) return "pass";
        answered++;
        landed++;
        return { late: release.promise };
      };
      await collect(stand, stand.client);
      stand.store.rule = pass;
      await pushAgain(contents, `late again ${round}`);
      release.resolve();
      late.push(release.promise);
    }
    await Promise.all(late);
    await judge(t, `${landed} DELETEs landed after their content was pushed again`);
    assert.ok(landed >= ROUNDS);
  });

  test("F24: a store that takes nothing more refuses pushes by name, serves pulls, and with room again all goes on", {
    timeout: 60_000,
  }, async (t) => {
    const { endpoint, token } = stand.live.stack;
    const hasty = new FerryClient({ endpoint, token, fetch, sleep: async () => {}, random: Math.random, attempts: 1 });
    const { revision } = await pushUntilTaken(pusher, { own: "before it is full" }, "before");
    const pass = stand.store.rule;
    let refusedPuts = 0;
    stand.store.rule = ({ method }) => {
      if (method !== "PUT") return "pass";
      refusedPuts++;
      return "html";
    };
    const files = { own: "while it is full" };
    const { upload, parent } = await pusher.open(REPOSITORY);
    const statuses = await pusher.send(await pusher.reserve(REPOSITORY, upload, files), files);
    const commit = await new Pusher(hasty, fetch as never)
      .commit(REPOSITORY, upload, { own: "before it is full" }, { parent, message: "full" })
      .catch((error: unknown) => error);
    const collected = await hasty.call("startCollect", { body: { dryRun: false } }).catch((error: unknown) => error);
    const codes = [commit, collected].map((error) => (error instanceof FerryError ? error.code : "taken"));
    let pulls = 0;
    for (; pulls < 5; pulls++) {
      const { manifest } = await hasty.call("manifest", { repository: REPOSITORY, params: { ref: revision } });
      const chunks = contentEntries(manifest).flatMap(({ chunk }) => (chunk === undefined ? [] : [chunk]));
      const batch = await hasty.call("download", { repository: REPOSITORY, params: { ref: revision }, body: { chunks } });
      for (const item of batch.items) assert.equal((await fetch(downloadUrl(batch, item))).status, 200);
    }
    stand.store.rule = pass;
    await pushAgain([files], "with room again");
    assert.deepEqual([statuses, codes], [[500], ["STORAGE_UNAVAILABLE", "STORAGE_UNAVAILABLE"]]);
    await judge(t, `full: ${refusedPuts} PUTs refused, pushes and collection told ${codes[0]}, ${pulls} of 5 pulls served`);
  });
});

/** A server of its own, which reaches the home store by a front of its own. */
async function startCollector({ live }: CrashStand): Promise<Collector> {
  const { stores, vars, redis, token } = live.stack;
  const [home, ...others] = stores;
  if (home === undefined) throw new Error("no home store");
  const front = await startForwarder();
  front.target = home.endpoint;
  const folder = mkdtempSync(join(tmpdir(), "ferry-collector-"));
  const own = storeVars([{ ...home, endpoint: front.url + new URL(home.endpoint).pathname }, ...others]);
  const server = await startNodeServer({ home: folder, vars: { ...vars, ...own }, redisUrl: redis.url });
  return {
    client: new FerryClient({ endpoint: server.url, token, fetch, sleep: (ms) => sleep(ms), random: Math.random }),
    front,
    pid: server.child.pid,
    async stop() {
      await server.stop();
      await front.stop();
      rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
    },
  };
}

function isDelete(method: string, path: string): boolean {
  return method === "POST" && /[?&]delete\b/.test(path);
}

/** Stops the collector's process when it is about to delete; its request is on the way, and arrives when it goes on. */
function stopAtDelete({ front, pid }: Collector): { reached: Promise<void>; goOn(): void } {
  const [reached, released] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  let stopped = false;
  front.rule = async ({ method, path }): Promise<Verdict> => {
    if (stopped || !isDelete(method, path)) return "pass";
    stopped = true;
    process.kill(pid, "SIGSTOP");
    reached.resolve();
    await released.promise;
    return "pass";
  };
  return {
    reached: reached.promise,
    goOn() {
      process.kill(pid, "SIGCONT");
      released.resolve();
    },
  };
}

/** Three revisions that are purged, and a fourth that stays; the contents of the three. */
async function makeGarbage({ client }: CrashStand, pusher: Pusher, seed: string): Promise<Files[]> {
  const contents = [0, 1, 2].map((at) => ({ own: `${seed} ${at}`, shared: `${seed} shared` }));
  const revisions = [];
  for (const files of contents) revisions.push((await pushUntilTaken(pusher, files, `old ${seed}`)).revision);
  await pushUntilTaken(pusher, { own: `${seed} kept` }, `kept ${seed}`);
  await client.call("trashRevisions", { repository: REPOSITORY, body: { revisions, operationId: operationId() } });
  await client.call("purgeRevisions", { repository: REPOSITORY, body: { revisions, now: true, operationId: operationId() } });
  return contents;
}

/** As the engine does: what a commit calls unproven is sent again under the attempt that it names. */
async function pushUntilTaken(pusher: Pusher, files: Files, message: string) {
  const { upload, parent } = await persistently(() => pusher.open(REPOSITORY, refName("main")));
  const commit = { parent, message, operationId: operationId() };
  for (let attempt = 1; ; ) {
    const reservation = await pusher.reserve(REPOSITORY, upload, files, attempt);
    await pusher.send(reservation, files);
    await pusher.confirm(REPOSITORY, upload, reservation, attempt);
    try {
      const { revision, seq } = await persistently(() => pusher.commit(REPOSITORY, upload, files, { ...commit, attempt }));
      return { revision, seq };
    } catch (error) {
      if (!(error instanceof FerryError) || error.code !== "CHUNK_UNPROVEN") throw error;
      attempt = Number(error.details["attempt"]);
    }
  }
}

/** A run to its end. `leaseless`: as if no lease held anybody off, so that collectors really work at once. */
async function collect(
  { endLeases }: CrashStand,
  client: FerryClient,
  { dryRun = false, leaseless = false }: { dryRun?: boolean; leaseless?: boolean } = {},
): Promise<CollectRun> {
  for (;;) {
    const started = await persistently(() => client.call("startCollect", { body: { dryRun } }));
    let run = started.busy ? null : started.run;
    while (run !== null && run.phase !== "done" && run.phase !== "aborted") {
      if (leaseless) await endLeases();
      ({ run } = await persistently(() => client.call("stepCollect", {})));
    }
    if (run !== null && run.dryRun === dryRun) {
      assert.equal(run.phase, "done", run.problem ?? "");
      return run;
    }
    await endLeases();
  }
}
