/** An executor beside a store that the edge does not reach: the program, over HTTP only, between two stores of local R2. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { Redis } from "ioredis";
import type { SyncStep } from "../../shared/contract/replication.ts";
import { StoreId } from "../../shared/names.ts";
import { MiB } from "../../shared/units.ts";
import { FaultProxy } from "../support/fault-proxy.ts";
import { FERRY, passedOn } from "../support/ferry-process.ts";
import { type Live, seededBytes, startLive, writeSafetensors } from "../support/live.ts";
import { repositoryName } from "../support/memory-app.ts";
import { whyNoRedis } from "../support/stack.ts";
import { snapshot, tempFolder } from "../support/trees.ts";

const MODEL = repositoryName("team/model");
const FILES = 200;
const KILLS = Number(process.env["FERRY_KILLS"] ?? 20);
const PARALLEL = 4;

describe("an executor over HTTP, real Redis and local R2", { skip: whyNoRedis() }, () => {
  const folder = tempFolder();
  const source = join(folder.path, "model");
  let live: Live;
  let proxy: FaultProxy;
  /** Chunks that somebody began to send to the store. */
  let puts = 0;
  before(async () => {
    proxy = await FaultProxy.start("http://127.0.0.1:9");
    live = await startLive({
      runtime: "node",
      stores: (local) =>
        local.map((store) => (store.id === "west" ? { ...store, reach: "agent", endpoint: behind(store.endpoint) } : store)),
    });
    const tensors = Object.fromEntries(Array.from({ length: 20 }, (_, at) => [`t${at}`, { sizeBytes: 6 * MiB, seed: `t${at}` }]));
    writeSafetensors(join(source, "model.safetensors"), tensors);
    writeFileSync(join(source, "config.json"), "{}");
    await live.ferry(["policy", "create", "west", "--stores", "west"]);
    await live.ferry(["push", source, MODEL]);
  });
  after(async () => {
    await live?.stop();
    await proxy?.close();
    folder.remove();
  });

  function behind(endpoint: string): string {
    const { origin, pathname } = new URL(endpoint);
    proxy.retarget(origin);
    const counted = (n: number) => {
      puts = n;
      return false;
    };
    const prefix = `${pathname.replace(/\/$/, "")}/west/chunks/`;
    proxy.rules = [{ verb: "PUT", prefix, nth: counted, fault: { kind: "delay", ms: 0 } }];
    return proxy.endpoint + pathname;
  }

  test("the edge leaves the store alone, the executor fills it, and its token can do no more", { timeout: 60_000 }, async (t) => {
    const step: SyncStep = await live.admin.call("stepSync", {});
    assert.deepEqual([step.tasks, step.problems], [0, []]);
    const token = await live.tokenFor({ repositories: "*", actions: ["push"], stores: [StoreId.parse("west")] });
    const begunMs = performance.now();
    const done = await live.ferry(["sync", "execute", "--stores", "west", "--once"], { token });
    const seconds = (performance.now() - begunMs) / 1000;
    assert.deepEqual([done["ready"], Number(done["bytes"]) >= 120 * MiB], [1, true]);
    t.diagnostic(`${Math.round(Number(done["bytes"]) / MiB)} MiB in ${seconds.toFixed(1)} s, ${done["tasks"]} tasks`);
    const target = join(folder.path, "pulled");
    await live.ferry(["pull", MODEL, target], { env: { FERRY_NEAR: "west" } });
    assert.deepEqual(snapshot(target), snapshot(source));
    const member = live.clientFor(token);
    await assert.rejects(member.call("leaseTask", { params: { store: "home" }, body: { executor: "a test" } }), {
      code: "PERMISSION_DENIED",
    });
    await assert.rejects(member.call("stepSync", {}), { code: "PERMISSION_DENIED" });
  });

  test("an agent with --execute does the same beside its cache, until it is told to end", { timeout: 60_000 }, async () => {
    const other = join(folder.path, "other");
    mkdirSync(other);
    for (let at = 0; at < 8; at++) writeFileSync(join(other, `${at}.bin`), Buffer.concat([...seededBytes(`other ${at}`, 300_000)]));
    await live.ferry(["push", other, "team/other"]);
    await live.admin.call("stepSync", {});
    const argv = ["agent", "--execute", "--stores", "west", "--max-bytes", "100MB", "--any-file-system", "--listen", "off"];
    const place = ["--cache", join(folder.path, "agent"), "--socket", join(folder.path, "agent.sock")];
    const child = spawn(process.execPath, [FERRY, ...argv, ...place], {
      env: { ...passedOn(), ...live.env() },
      stdio: ["ignore", "pipe", "inherit"],
    });
    const ended = new Promise<number | null>((resolve) => child.once("exit", (code) => resolve(code)));
    let said = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      said += text;
    });
    for (let waits = 0; !said.includes("is whole in west") && waits < 3000; waits++) await wait(10);
    child.kill("SIGTERM");
    await ended;
    assert.match(said, /"event":"execute.note","text":"team\/other@[0-9a-f]{12} is whole in west"/);
    const target = join(folder.path, "pulled-other");
    await live.ferry(["pull", "team/other", target], { env: { FERRY_NEAR: "west" } });
    assert.deepEqual(snapshot(target), snapshot(other));
  });

  test("killed 20 times it sends again at most what was in flight", { timeout: 100_000 + 25_000 * KILLS }, async (t) => {
    const many = join(folder.path, "many");
    mkdirSync(many);
    for (let at = 0; at < FILES; at++) writeFileSync(join(many, `${at}.bin`), Buffer.concat([...seededBytes(`file ${at}`, 100_000)]));
    await live.ferry(["push", many, "team/many"]);
    await live.admin.call("stepSync", {});
    const first = puts;
    let kills = 0;
    for (let round = 0; round < KILLS; round++) {
      if (await killedAfter(puts + 1 + (round % 5))) kills++;
      await endLeases();
    }
    const done = await live.ferry(["sync", "execute", "--stores", "west", "--once"]);
    const sent = puts - first;
    t.diagnostic(`${FILES} chunks, ${kills} kills: ${sent} PUTs`);
    assert.deepEqual([done["ready"], kills], [1, KILLS]);
    assert.ok(sent <= FILES + KILLS * PARALLEL, `${sent} PUTs`);
    const seen = await live.ferry(["sync", "verify", "team/many", "--store", "west"]);
    assert.deepEqual([seen["replicas"], seen["missing"]], [1, 0]);
  });

  /** Whether the executor was still at it when the store had been sent so many chunks. */
  async function killedAfter(count: number): Promise<boolean> {
    const argv = [FERRY, "sync", "execute", "--stores", "west", "--parallel", String(PARALLEL)];
    const child = spawn(process.execPath, argv, { env: { ...passedOn(), ...live.env() }, stdio: "ignore" });
    const ended = new Promise<number | null>((resolve) => child.once("exit", (code) => resolve(code)));
    for (let waits = 0; puts < count && waits < 3000; waits++) await wait(5);
    child.kill("SIGKILL");
    return (await ended) === null;
  }

  /** As if a minute and a half had passed. */
  async function endLeases(): Promise<void> {
    const redis = new Redis(live.stack.redis.url);
    const queue = "mf:1:work:west:queue";
    for (const task of await redis.zrange(queue, "0", "-1")) await redis.call("ZADD", queue, "XX", "1", task);
    redis.disconnect();
  }
});
