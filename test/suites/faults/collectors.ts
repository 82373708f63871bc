/**
 * F12, F13, F14 and F24 of reference/safety.md §6: collectors that work at the same time, one of which is stopped in the middle of its deletes
 * while the world goes on; DELETEs that the store calls failed and does much later; and a store that has no room.
 */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { startNodeServer } from "../../../scripts/stack/node-server.ts";
import { storeVars } from "../../../scripts/stack/stores.ts";
import { FerryClient } from "../../../shared/client.ts";
import { FerryError } from "../../../shared/errors.ts";
import { contentEntries } from "../../../shared/manifest.ts";
import { downloadUrl } from "../../../shared/tickets.ts";
import type { CrashStand } from "../../support/crash-stand.ts";
import { judgeCrowd, LONG_PAUSE_MS, RunningCrowd } from "../../support/crowd.ts";
import type { FaultGround } from "../../support/fault-ground.ts";
import { type Forwarder, startForwarder, type Verdict } from "../../support/forwarder.ts";
import { collectOn, GarbageYard } from "../../support/garbage-yard.ts";
import { repositoryName } from "../../support/memory-app.ts";
import { Pusher } from "../../support/pusher.ts";

type Collector = { client: FerryClient; front: Forwarder; pid: number; stop(): Promise<void> };

export function collectorsSuite(ground: FaultGround, { rounds }: { rounds: number }): void {
  stoppedCollector(ground, rounds);
  lateDeletes(ground, rounds);
  fullStore(ground);
}

function stoppedCollector(ground: FaultGround, rounds: number): void {
  ground.test(
    "F12, F13: three collectors, one stopped (SIGSTOP) in the middle of its deletes while two others collect and clients push",
    {
      timeout: 240_000,
    },
    async (t, stand) => {
      const yard = await GarbageYard.open(stand, repositoryName("collectors/stopped"));
      const collectors: Collector[] = [];
      t.after(() => Promise.all(collectors.map((collector) => collector.stop())));
      for (let at = 0; at < 3; at++) collectors.push(await startCollector(stand));
      const crowd = new RunningCrowd(stand.live, "beside", { pauseMs: LONG_PAUSE_MS });
      t.after(() => crowd.stop().catch(() => {}));
      t.after(() => Promise.all(collectors.map((collector) => collector.stop())));
      const [paused, ...others] = collectors;
      assert.ok(paused !== undefined);
      let cycles = 0;
      for (let round = 0; round < rounds; round++) {
        const contents = await yard.makeGarbage(`stopped ${round}`);
        const stop = stopAtDelete(paused);
        const swept = collectOn(stand, { client: paused.client }).catch((error: unknown) => error);
        await stop.reached;
        await stand.endLeases();
        await Promise.all([
          yard.pushAgain(contents, `again ${round}`),
          crowd.more(8),
          ...others.map(async ({ client }) => {
            await collectOn(stand, { client, leaseless: true });
            cycles++;
          }),
        ]);
        stop.goOn();
        await swept;
      }
      const beside = await judgeCrowd(stand.live, await crowd.stop());
      assert.deepEqual([beside.lost, beside.torn, beside.doubled], [0, 0, 0]);
      await yard.judge(t, `${rounds} stops in mid-sweep, ${cycles} cycles of two others meanwhile, ${beside.revisions} pushes beside them`);
    },
  );
}

function lateDeletes(ground: FaultGround, rounds: number): void {
  ground.test(
    "F14: DELETEs that are answered 504 and done after their content was pushed again hit nothing that is named",
    {
      timeout: 240_000,
    },
    async (t, stand) => {
      const yard = await GarbageYard.open(stand, repositoryName("collectors/late"));
      let landed = 0;
      for (let round = 0; round < rounds; round++) {
        const contents = await yard.makeGarbage(`late ${round}`);
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
        await collectOn(stand);
        stand.store.rule = pass;
        await yard.pushAgain(contents, `late again ${round}`);
        release.resolve();
      }
      await yard.judge(t, `${landed} DELETEs landed after their content was pushed again`);
      assert.ok(landed >= rounds);
    },
  );
}

function fullStore(ground: FaultGround): void {
  ground.test(
    "F24: a store that takes nothing more refuses pushes by name, serves pulls, and with room again all goes on",
    {
      timeout: 180_000,
    },
    async (t, stand) => {
      const yard = await GarbageYard.open(stand, repositoryName("collectors/full"));
      const { pusher, repository } = yard;
      const { endpoint, token } = stand.live.stack;
      const hasty = new FerryClient({ endpoint, token, fetch, sleep: async () => {}, random: Math.random, attempts: 1 });
      const { revision } = await yard.push({ own: "before it is full" }, "before");
      const pass = stand.store.rule;
      let refusedPuts = 0;
      stand.store.rule = ({ method }) => {
        if (method !== "PUT") return "pass";
        refusedPuts++;
        return "html";
      };
      const files = { own: "while it is full" };
      const { upload, parent } = await pusher.open(repository);
      const statuses = await pusher.send(await pusher.reserve(repository, upload, files), files);
      const commit = await new Pusher(hasty, fetch as never)
        .commit(repository, upload, { own: "before it is full" }, { parent, message: "full" })
        .catch((error: unknown) => error);
      const collected = await hasty.call("startCollect", { body: { dryRun: false } }).catch((error: unknown) => error);
      const codes = [commit, collected].map((error) => (error instanceof FerryError ? error.code : "taken"));
      let pulls = 0;
      for (; pulls < 5; pulls++) {
        const { manifest } = await hasty.call("manifest", { repository, params: { ref: revision } });
        const chunks = contentEntries(manifest).flatMap(({ chunk }) => (chunk === undefined ? [] : [chunk]));
        const batch = await hasty.call("download", { repository, params: { ref: revision }, body: { chunks } });
        for (const item of batch.items) assert.equal((await fetch(downloadUrl(batch, item))).status, 200);
      }
      stand.store.rule = pass;
      await yard.pushAgain([files], "with room again");
      assert.deepEqual([statuses, codes], [[500], ["STORAGE_UNAVAILABLE", "STORAGE_UNAVAILABLE"]]);
      await yard.judge(t, `full: ${refusedPuts} PUTs refused, pushes and collection told ${codes[0]}, ${pulls} of 5 pulls served`);
    },
  );
}

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
