/** `ferry watch` as a process, on the real stack: each framework's checkpoints, kills, a network that is down, removal. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import type { RevisionSummary } from "../../shared/contract/repositories.ts";
import { KiB } from "../../shared/units.ts";
import { FERRY, ferryProcess, passedOn } from "../support/ferry-process.ts";
import { type Live, seededBytes, startLive } from "../support/live.ts";
import { repositoryName } from "../support/memory-app.ts";
import { whyNoRedis } from "../support/stack.ts";
import { snapshot, tempFolder } from "../support/trees.ts";

const KILLS = Number(process.env["FERRY_KILLS"] ?? 12);
const SHARD_BYTES = 200 * KiB;

describe("ferry watch", { skip: whyNoRedis() }, () => {
  const folder = tempFolder();
  let live: Live;
  before(async () => {
    live = await startLive({ runtime: "node" });
  });
  after(async () => {
    await live?.stop();
    folder.remove();
  });

  const at = (path: string) => join(folder.path, path);

  function write(path: string, content: string | Buffer): void {
    mkdirSync(dirname(at(path)), { recursive: true });
    writeFileSync(at(path), content);
  }

  const shard = (seed: string) => Buffer.concat([...seededBytes(seed, SHARD_BYTES)]);

  /** As torch.distributed.checkpoint does it: shards, then the metadata under another name, then its own. */
  function writeDcp(path: string, { marked = true } = {}): void {
    for (const rank of [0, 1, 2]) write(`${path}/__${rank}_0.distcp`, shard(`${path} ${rank}`));
    write(`${path}/.metadata.tmp`, path);
    if (marked) renameSync(at(`${path}/.metadata.tmp`), at(`${path}/.metadata`));
  }

  function writeTrainer(path: string, step: number): void {
    write(`${path}/model.safetensors`, shard(path));
    write(`${path}/optimizer.pt`, shard(`${path} optimizer`));
    const log = [
      { step: step - 1, loss: 3, epoch: 0.1 },
      { step, loss: 1 / step, epoch: 0.2 },
      { step, eval_loss: 0.031 },
    ];
    write(`${path}/trainer_state.json`, JSON.stringify({ global_step: step, log_history: log }));
  }

  /** Oldest first. */
  async function history(repository: string, branch = "main"): Promise<RevisionSummary[]> {
    const answer = await live.admin.call("listRevisions", { repository: repositoryName(repository), query: { branch, limit: "1000" } });
    return answer.revisions.toReversed();
  }

  async function once(watched: string, target: string, ...argv: string[]): Promise<void> {
    const ran = await ferryProcess(["watch", at(watched), target, "--once", ...argv], { env: live.env() });
    assert.equal(ran.exit, 0, ran.stderr);
  }

  /** Starts it in the background; `lines`: what it printed. */
  function start(watched: string, target: string, argv: readonly string[] = [], env: Record<string, string> = {}) {
    const child = spawn(process.execPath, [FERRY, "watch", at(watched), target, "--json", "--every", "1s", ...argv], {
      env: { ...passedOn(), ...live.env(), ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let [stdout, stderr] = ["", ""];
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr += text;
    });
    const ended = new Promise<number | null>((resolve) => child.once("close", (code) => resolve(code)));
    const lines = () =>
      stdout
        .split("\n")
        .slice(0, -1)
        .map((line) => JSON.parse(line) as { checkpoint: string; step: number | null; revision: string; bytesSent: number });
    return { child, ended, lines, stderr: () => stderr };
  }

  async function until(what: string, isSo: () => boolean | Promise<boolean>, told: () => string = () => ""): Promise<void> {
    const endsAt = Date.now() + 60_000;
    while (!(await isSo())) {
      assert.ok(Date.now() < endsAt, `${what}: ${told()}`);
      await wait(50);
    }
  }

  test("each framework's complete checkpoints become revisions, in order, with step, metrics and origin; nothing else does", async () => {
    for (const step of [30, 4, 100]) writeDcp(`dcp/step-${step}`);
    writeDcp("dcp/step-200", { marked: false });
    await once("dcp", "watch/dcp");
    const dcp = await history("watch/dcp");
    assert.deepEqual(
      dcp.map(({ labels, source, fileCount }) => [labels["step"], labels["checkpoint"], source.framework, fileCount]),
      [
        ["4", "step-4", "dcp", 4],
        ["30", "step-30", "dcp", 4],
        ["100", "step-100", "dcp", 4],
      ],
    );

    for (const step of [500, 1000]) writeTrainer(`trainer/checkpoint-${step}`, step);
    write("trainer/checkpoint-1500/model.safetensors", shard("half"));
    await once("trainer", "watch/trainer", "--label", "run=7", "--branch", "sft");
    const trainer = await history("watch/trainer", "sft");
    assert.deepEqual(
      trainer.map(({ labels, metrics, source }) => [labels, metrics, source.framework]),
      [500, 1000].map((step) => [
        { run: "7", checkpoint: `checkpoint-${step}`, step: `${step}` },
        { loss: `${1 / step}`, epoch: "0.2", eval_loss: "0.031" },
        "transformers",
      ]),
    );

    for (const name of ["iter_0000100", "iter_0000200", "iter_0000300"]) write(`megatron/${name}/mp_rank_00/model.pt`, shard(name));
    write("megatron/iter_0000100/metadata.json", "{}");
    write("megatron/latest_checkpointed_iteration.txt", "200");
    await once("megatron", "watch/megatron@pretrain");
    const megatron = await history("watch/megatron", "pretrain");
    assert.deepEqual(
      megatron.map(({ labels, source }) => [labels["checkpoint"], source.framework]),
      [
        ["iter_0000100", "megatron"],
        ["iter_0000200", "megatron"],
      ],
    );

    for (const step of [1, 2]) write(`own/out-${step}/weights.bin`, shard(`own ${step}`));
    write("own/out-1/_SUCCESS", "");
    await once("own", "watch/own", "--marker", "_SUCCESS");
    assert.deepEqual(
      (await history("watch/own")).map(({ labels }) => labels["checkpoint"]),
      ["out-1"],
    );
    await live.ferry(["pull", "watch/own", at("own-pulled")]);
    assert.deepEqual(snapshot(at("own-pulled")), snapshot(at("own/out-1")));
  });

  test("it takes a checkpoint at its marker and not before, whether training is slow or quick, and stops cleanly", async () => {
    const watching = start("slow", "watch/slow");
    try {
      for (const step of [1, 2, 3]) {
        const path = `slow/step-${step}`;
        for (const rank of [0, 1]) {
          write(`${path}/__${rank}_0.distcp`, shard(`${path} ${rank}`));
          // Longer than it looks again.
          await wait(1500);
        }
        assert.equal(watching.lines().length, step - 1, "nothing before the marker");
        write(`${path}/.metadata`, "");
        await until(`step ${step}`, () => watching.lines().length === step, watching.stderr);
      }
      for (const step of [4, 5, 6, 7]) writeDcp(`slow/step-${step}`);
      await until("all", () => watching.lines().length === 7, watching.stderr);
    } finally {
      watching.child.kill("SIGTERM");
    }
    assert.equal(await watching.ended, 143);
    assert.match(watching.stderr(), /stopped\nnext: Run the same command again; it goes on where it stopped/);
    assert.deepEqual(
      (await history("watch/slow")).map(({ labels }) => labels["step"]),
      ["1", "2", "3", "4", "5", "6", "7"],
    );
  });

  test(`killed ${KILLS} times while checkpoints come, with and without what it remembered: each is one revision, whole, in order`, async (t) => {
    const cache = { XDG_CACHE_HOME: at("cache") };
    const trees: Record<string, string>[] = [];
    let kills = 0;
    for (let step = 1; step <= KILLS; step++) {
      writeDcp(`killed/step-${step}`);
      trees.push(snapshot(at(`killed/step-${step}`)));
      // Half of the time it has lost what it knew.
      if (step % 2 === 0) rmSync(at("cache"), { recursive: true, force: true });
      const watching = start("killed", "watch/killed", [], cache);
      await Promise.race([wait(randomInt(300, 2500)), watching.ended]);
      watching.child.kill("SIGKILL");
      if ((await watching.ended) === null) kills++;
    }
    rmSync(at("cache"), { recursive: true, force: true });
    await once("killed", "watch/killed");
    const revisions = await history("watch/killed");
    assert.deepEqual(
      revisions.map(({ labels }) => labels["step"]),
      Array.from({ length: KILLS }, (_, index) => `${index + 1}`),
    );
    for (const [index, { revision }] of revisions.entries()) {
      const target = at(`killed-pulled-${index}`);
      await live.ferry(["pull", `watch/killed@${revision}`, target]);
      assert.deepEqual(snapshot(target), trees[index]);
    }
    t.diagnostic(`${kills} kills, ${revisions.length} checkpoints: ${revisions.length} revisions, two for one checkpoint 0, left out 0`);
    assert.equal(kills, KILLS);
  });

  test("a checkpoint that training writes again with other content is another revision, with the same content none", async () => {
    writeDcp("again/step-1");
    await once("again", "watch/again");
    rmSync(at("again"), { recursive: true });
    writeDcp("again/step-1");
    await once("again", "watch/again");
    assert.equal((await history("watch/again")).length, 1);
    rmSync(at("again"), { recursive: true });
    write("again/step-1/__0_0.distcp", "other");
    write("again/step-1/.metadata", "");
    await once("again", "watch/again");
    const revisions = await history("watch/again");
    assert.deepEqual(
      revisions.map(({ labels, fileCount }) => [labels["step"], fileCount]),
      [
        ["1", 4],
        ["1", 2],
      ],
    );
  });

  test("--keep removes a local checkpoint only once it is stored, and leaves the newest and what is not complete", async () => {
    for (const step of [1, 2, 3, 4]) writeDcp(`kept/step-${step}`);
    writeDcp("kept/step-5", { marked: false });
    const nowhere = start("kept", "watch/kept", ["--keep", "2"], { FERRY_ENDPOINT: "http://127.0.0.1:9" });
    await until("the failure", () => nowhere.stderr().includes("trying again"), nowhere.stderr);
    nowhere.child.kill("SIGKILL");
    await nowhere.ended;
    assert.equal(readdirSync(at("kept")).length, 5, "nothing was stored, nothing is removed");
    await once("kept", "watch/kept", "--keep", "2");
    assert.deepEqual(readdirSync(at("kept")).sort(), ["step-3", "step-4", "step-5"]);
    assert.equal((await history("watch/kept")).length, 4);
    await once("kept", "watch/kept");
    assert.ok(existsSync(at("kept/step-3")), "off by default");
    // Killed between the renaming and the removal.
    renameSync(at("kept/step-3"), at("kept/.ferry-0123456789abcdef.removed"));
    await once("kept", "watch/kept", "--keep", "2");
    assert.deepEqual(readdirSync(at("kept")).sort(), ["step-4", "step-5"]);
    assert.equal((await history("watch/kept")).length, 4);
  });
});
