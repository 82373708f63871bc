/** Imports by the program: from a Hub (our own door), from a bucket (local R2), from a URL; with faults on the way, and killed in the middle. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { globSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { Redis } from "ioredis";
import type { Store } from "../../scripts/stack/stores.ts";
import { MiB } from "../../shared/units.ts";
import { FaultProxy } from "../support/fault-proxy.ts";
import { FERRY } from "../support/ferry-process.ts";
import { type Live, seededBytes, startLive, writeSafetensors } from "../support/live.ts";
import { operationId, repositoryName } from "../support/memory-app.ts";
import { overwriteObject } from "../support/s3-keys.ts";
import { whyNoRedis } from "../support/stack.ts";
import { plant, snapshot, tempFolder } from "../support/trees.ts";

describe("ferry import", { skip: whyNoRedis() }, () => {
  const folder = tempFolder();
  const source = join(folder.path, "model");
  const agents: ChildProcess[] = [];
  let live: Live;
  let proxy: FaultProxy;
  let bucket: Store;
  before(async () => {
    live = await startLive({ runtime: "node" });
    const west = live.stack.stores.find(({ id }) => id === "west");
    assert.ok(west !== undefined);
    bucket = west;
    proxy = await FaultProxy.start(new URL(west.endpoint).origin);
    plant(source, { "config.json": "{}", "sub/a file+1.txt": "small", "sub/empty.txt": "" });
    const tensors = Object.fromEntries(Array.from({ length: 3 }, (_, at) => [`t${at}`, { sizeBytes: 5 * MiB, seed: `t${at}` }]));
    writeSafetensors(join(source, "model.safetensors"), tensors);
    await live.ferry(["push", source, "team/source", "-m", "first"]);
  });
  after(async () => {
    for (const agent of agents) agent.kill("SIGKILL");
    await live?.stop();
    await proxy?.close();
    folder.remove();
  });

  const hub = () => ({ HF_ENDPOINT: live.stack.endpoint, HF_TOKEN: live.stack.token });
  const aws = () => ({
    AWS_ENDPOINT_URL: proxy.endpoint + new URL(bucket.endpoint).pathname.replace(/\/$/, ""),
    AWS_ACCESS_KEY_ID: bucket.accessKeyId,
    AWS_SECRET_ACCESS_KEY: bucket.secretAccessKey,
    AWS_REGION: "auto",
  });

  async function assertPulled(target: string, expected: string): Promise<void> {
    const to = join(folder.path, `pulled-${target.replaceAll(/\W/g, "-")}`);
    await live.ferry(["pull", target, to]);
    assert.deepEqual(snapshot(to), snapshot(expected));
  }

  test("a Hub's repository comes whole, says where it is from, sends no chunk that is stored, and once", { timeout: 60_000 }, async () => {
    const first = await live.ferry(["import", "hf://team/source@main", "team/from-hub"], { env: hub() });
    assert.deepEqual([first["imported"], first["files"]], [true, 4]);
    await assertPulled("team/from-hub", source);
    const { labels, message } = await live.admin.call("resolve", {
      repository: repositoryName("team/from-hub"),
      params: { ref: "main" },
    });
    assert.equal(labels["import/source"], "hf://team/source");
    assert.match(labels["import/revision"] ?? "", /^[0-9a-f]{40}$/);
    assert.match(message, /^Import of hf:\/\/team\/source@/);
    const again = await live.ferry(["import", "hf://team/source", "team/from-hub"], { env: hub() });
    assert.deepEqual([again["imported"], again["revision"]], [false, first["revision"]]);
  });

  test("what a Hub does not have, or gives to nobody without a token, is told in a sentence", { timeout: 60_000 }, async () => {
    await assert.rejects(
      live.ferry(["import", "hf://team/none", "team/none"], { env: hub() }),
      /can't be read: there is no such thing|it answers 40/,
    );
    await assert.rejects(live.ferry(["import", "hf://team/source", "team/none"], { env: { ...hub(), HF_TOKEN: "" } }), /can't be read/);
    await assert.rejects(live.ferry(["import", "nothing-there", "team/none"]), /is neither/);
  });

  test("a bucket's prefix comes whole, through faults; one stopped in the middle goes on with what is missing", {
    timeout: 90_000,
  }, async (t) => {
    const large = Buffer.concat([...seededBytes("large", 70 * MiB)]);
    await overwriteObject(bucket, "models/m/large.bin", large);
    await overwriteObject(bucket, "models/m/sub/a b+c&d'é.txt", Buffer.from("odd name"));
    await overwriteObject(bucket, "models/m2/other.bin", Buffer.from("not of this prefix"));
    const expected = join(folder.path, "expected");
    plant(expected, { "large.bin": large, "sub/a b+c&d'é.txt": "odd name" });
    const prefix = `${new URL(aws().AWS_ENDPOINT_URL).pathname}/${bucket.bucket}/models/m/large.bin`.replace("//", "/");
    proxy.rules = [{ verb: "GET", prefix, nth: (n) => n === 2, fault: { kind: "status", status: 403 } }];
    const spool = ["--spool", join(folder.path, "spool"), "--source-connections", "1"];
    const argv = ["import", "s3://west/models/m", "team/from-s3", ...spool];
    await assert.rejects(live.ferry(argv, { env: aws() }), /can't be read/);
    proxy.rules = [{ verb: "GET", prefix, nth: (n) => n === 1, fault: { kind: "truncate", bytes: MiB } }];
    proxy.resetCounts();
    const done = await live.ferry(argv, { env: aws() });
    t.diagnostic(`${Math.round(proxy.sentBytes / MiB)} MiB the second time, ${proxy.faultCount("truncate")} answers cut`);
    assert.deepEqual([done["files"], proxy.faultCount("truncate")], [2, 1]);
    assert.ok(proxy.sentBytes < 10 * MiB, `${proxy.sentBytes} bytes`);
    await assertPulled("team/from-s3", expected);
  });

  test("bytes that are not what the bucket says of them are refused, and nothing is committed", { timeout: 60_000 }, async () => {
    await overwriteObject(bucket, "bad/model.bin", Buffer.concat([...seededBytes("bad", MiB)]));
    const path = new URL(aws().AWS_ENDPOINT_URL).pathname.replace(/\/$/, "");
    proxy.rules = [{ verb: "GET", prefix: `${path}/west/bad/model.bin`, fault: { kind: "flip" } }];
    await assert.rejects(live.ferry(["import", "s3://west/bad/", "team/bad"], { env: aws() }), /does not have the digest/);
    await assert.rejects(live.ferry(["show", "team/bad@main"]));
    proxy.rules = [];
    assert.equal((await live.ferry(["import", "s3://west/bad/", "team/bad"], { env: aws() }))["imported"], true);
  });

  /** An agent that does imports: until `stop`, which also tells what it said. */
  function startAgent(name: string, env: Record<string, string>, ...from: string[]) {
    const place = join(folder.path, name);
    const rules = from.flatMap((rule) => ["--import-from", rule]);
    const argv = ["agent", "--execute", ...rules, "--max-bytes", "100MB", "--any-file-system", "--listen", "off"];
    const child = spawn(process.execPath, [FERRY, ...argv, "--cache", place, "--socket", `${place}.sock`], {
      env: { PATH: process.env["PATH"] ?? "", ...live.env(), ...env },
      stdio: ["ignore", "pipe", "inherit"],
    });
    let said = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      said += text;
    });
    const ended = once(child, "exit");
    agents.push(child);
    return async (signal: NodeJS.Signals) => {
      child.kill(signal);
      await ended;
      return said;
    };
  }

  /** As if the lease's time were up. */
  async function endLeases(): Promise<void> {
    const redis = new Redis(live.stack.redis.url);
    for (const key of await redis.keys("mf:*:lease:import-*")) await redis.del(key);
    redis.disconnect();
  }

  test("jobs: an agent imports from a Hub, a bucket and a folder what it is asked for, and nothing that it does not allow", {
    timeout: 120_000,
  }, async () => {
    await overwriteObject(bucket, "jobs/m/a.bin", Buffer.from("from a bucket"));
    await overwriteObject(bucket, "secret/m/a.bin", Buffer.from("not for everybody"));
    const ask = async (from: string, to: string) => {
      const { id } = await live.ferry(["import", from, to, "--job"]);
      return { id, repository: repositoryName(to) };
    };
    for (const from of ["s3://west/secret/m", source, "https://127.0.0.1/a", "/proc/self"]) await ask(from, "team/not-allowed");
    const [sub, hubName] = [join(source, "sub"), "hf://team/source"];
    const asked = [
      ...[await ask(`${hubName}@main`, "team/job-hub"), await ask(hubName, "team/job-hub")],
      ...[await ask("s3://west/jobs/m", "team/job-s3"), await ask("s3://west/jobs/m", "team/job-s3")],
      ...[await ask(sub, "team/job-folder"), await ask("hf://team/none", "team/job-hub")],
    ];
    const stop = startAgent("jobs", { ...hub(), ...aws() }, "hf://team/*", "s3://west/jobs/*=team/*", sub, "/proc/*=nobody/*");
    const last = await live.ferry(["import", hubName, "team/job-last", "--job", "--wait"]);
    assert.equal(last["state"], "done");
    const ended = await Promise.all(
      asked.map(async ({ id, repository }) => (await live.ferry(["imports", "show", repository, String(id)]))["state"]),
    );
    assert.deepEqual(ended, ["done", "unchanged", "done", "unchanged", "done", "failed"]);
    await assertPulled("team/job-hub", source);
    await assertPulled("team/job-folder", sub);
    const { imports } = await live.admin.call("listImports", { repository: repositoryName("team/job-hub") });
    assert.match(imports.find(({ state }) => state === "failed")?.problem ?? "", /there is no such thing|it answers 404/);
    const waiting = await live.admin.call("listImports", { repository: repositoryName("team/not-allowed") });
    assert.deepEqual(
      waiting.imports.map(({ state }) => state),
      ["waiting", "waiting", "waiting", "waiting"],
    );
    await live.ferry(["imports", "cancel", "team/not-allowed", waiting.imports[0]?.id ?? ""]);
    assert.equal(((await live.ferry(["imports", "ls", "team/not-allowed"]))["imports"] as unknown[]).length, 4);
    assert.match(await stop("SIGTERM"), /"event":"import.ended"/);
  });

  test("jobs: a webhook's rule has a source imported, once for 50 deliveries; an agent that is killed loses nothing", {
    timeout: 120_000,
  }, async (t) => {
    const model = repositoryName("team/job-killed");
    await live.admin.call("createRepository", { body: { repository: model, operationId: operationId() } });
    await overwriteObject(bucket, "jobs/large/a.bin", Buffer.concat([...seededBytes("killed", 70 * MiB)]));
    const rules = [{ action: { kind: "import" as const, from: "s3://west/jobs/large", to: model } }];
    const made = await live.admin.call("setHookSource", { body: { name: "hub", kind: "secret", rules, operationId: operationId() } });
    const send = () =>
      fetch(`${live.stack.endpoint}/api/v1/webhooks/hub`, {
        method: "POST",
        headers: { "x-webhook-secret": made.secret },
        body: JSON.stringify({ type: "pushed", repository: "a/b" }),
      });
    assert.equal((await send()).status, 200);
    await Promise.all(Array.from({ length: 49 }, send));
    const states = async () => (await live.admin.call("listImports", { repository: model })).imports.map(({ state }) => state);
    assert.deepEqual(await states(), ["waiting"]);
    const path = new URL(aws().AWS_ENDPOINT_URL).pathname.replace(/\/$/, "");
    // Of two segments the large one comes, and the other does not come to its end.
    proxy.rules = [{ verb: "GET", prefix: `${path}/west/jobs/large/a.bin`, nth: (n) => n === 2, fault: { kind: "stall", bytes: MiB } }];
    const kill = startAgent("killed", aws(), "s3://west/jobs/*");
    while (proxy.faultCount("stall") === 0 || globSync(join(folder.path, "killed/import/spool/*/*.done")).length === 0) await wait(20);
    await kill("SIGKILL");
    assert.deepEqual(await states(), ["running"]);
    proxy.rules = [];
    await endLeases();
    proxy.resetCounts();
    const stop = startAgent("killed", aws(), "s3://west/jobs/*");
    while ((await states())[0] !== "done") await wait(100);
    await stop("SIGTERM");
    t.diagnostic(`${Math.round(proxy.sentBytes / MiB)} of 70 MiB were read again`);
    assert.ok(proxy.sentBytes < 10 * MiB, `${proxy.sentBytes} bytes`);
    const { revisions } = await live.admin.call("listRevisions", { repository: model });
    assert.equal(revisions.length, 1);
    const { events } = await live.admin.call("listEvents", { query: { after: "0-0", limit: "500" } });
    const told = events.filter(({ repository }) => repository === model).map(({ type }) => type);
    assert.deepEqual(
      told.filter((type) => type.startsWith("import.")),
      ["import.begun", "import.completed"],
    );
  });

  test("a URL's file and a folder come in by the same command", { timeout: 60_000 }, async () => {
    const one = join(folder.path, "one");
    plant(one, { "config.json": "{}" });
    const url = `${live.stack.endpoint}/health`;
    await assert.rejects(live.ferry(["import", "https://127.0.0.1:9/nothing.bin", "team/url"]), /can't be read: no answer/);
    await assert.rejects(live.ferry(["import", url, "team/url"]), /does not say how long it is|can't be read/);
    writeFileSync(join(one, "more.txt"), "more");
    await live.ferry(["import", one, "team/folder"]);
    await assertPulled("team/folder", one);
  });
});
