import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { MiB } from "../../shared/units.ts";
import { FERRY, passedOn } from "../support/ferry-process.ts";
import { type Live, seededBytes, startLive } from "../support/live.ts";
import { repositoryName } from "../support/memory-app.ts";
import { listKeys } from "../support/s3-keys.ts";
import { whyNoRedis } from "../support/stack.ts";
import { sha256Hex, snapshot, tempFolder } from "../support/trees.ts";

const KILLS = Number(process.env["FERRY_KILLS"] ?? 50);
const FILES = 6;
const FILE_BYTES = 4 * MiB;

describe(`kill -9 of ferry, ${KILLS} times each way`, { skip: whyNoRedis() }, () => {
  const folder = tempFolder();
  let live: Live;
  before(async () => {
    live = await startLive({ runtime: "node" });
  });
  after(async () => {
    await live?.stop();
    folder.remove();
  });

  /** Starts ferry and kills it after `delayMs`; whether that came before its end. */
  async function killed(argv: string[], delayMs: number): Promise<boolean> {
    const child = spawn(process.execPath, [FERRY, ...argv], { env: { ...passedOn(), ...live.env() }, stdio: "ignore" });
    const ended = new Promise<number | null>((resolve) => child.once("exit", (code) => resolve(code)));
    await Promise.race([wait(delayMs), ended]);
    child.kill("SIGKILL");
    return (await ended) === null;
  }

  function plantRound(round: number): string {
    const source = join(folder.path, `source-${round}`);
    rmSync(source, { recursive: true, force: true });
    writeTree(source, `round ${round}`);
    return source;
  }

  test("push: no partial revision is ever visible, and the rerun sends only what is missing", { timeout: 400_000 }, async (t) => {
    const repository = repositoryName("kill/push");
    const total = FILES * FILE_BYTES;
    let kills = 0;
    let sentTwice = 0;
    let revisions = 0;
    let fullMs = 2_000;
    for (let round = 0; kills < KILLS && round < 3 * KILLS; round++) {
      const source = plantRound(round);
      if (await killed(["push", source, repository], randomInt(200, fullMs))) kills++;
      const now = await live.admin.call("describeRepository", { repository }).catch(() => null);
      const seen = now?.revisionCount ?? 0;
      assert.ok(seen === revisions || seen === revisions + 1);
      const startedAt = performance.now();
      const again = await live.ferry(["push", source, repository]);
      fullMs = Math.max(400, Math.round(performance.now() - startedAt));
      const objects = await chunkObjects(live);
      sentTwice += objects.length - new Set(objects.map((key) => key.split("~")[0])).size;
      assert.ok(Number(again["bytesSent"]) <= total);
      revisions = (await live.admin.call("describeRepository", { repository })).revisionCount;
      if (round % 10 === 0) {
        const target = join(folder.path, "check");
        rmSync(target, { recursive: true, force: true });
        await live.ferry(["pull", repository, target]);
        assert.deepEqual(snapshot(target), snapshot(source));
      }
    }
    t.diagnostic(`${kills} kills of push: partial revisions 0, chunks stored twice ${sentTwice}`);
    assert.ok(kills >= KILLS, `only ${kills} kills came before the end`);
    assert.equal(sentTwice, 0);
  });

  test("pull: no final-named file is ever wrong, and the rerun completes the tree", { timeout: 400_000 }, async (t) => {
    const source = join(folder.path, "pulled-source");
    writeTree(source, "pull");
    await live.ferry(["push", source, "kill/pull"]);
    const right = new Map(readdirSync(source).map((name) => [name, sha256Hex(readFileSync(join(source, name)))]));
    let kills = 0;
    let partial = 0;
    let fullMs = 800;
    for (let round = 0; kills < KILLS && round < 4 * KILLS; round++) {
      const target = join(folder.path, "pulled");
      rmSync(target, { recursive: true, force: true });
      if (await killed(["pull", "kill/pull", target], randomInt(150, fullMs))) kills++;
      const names = existsSync(target) ? readdirSync(target).filter((name) => right.has(name)) : [];
      if (names.length > 0 && names.length < FILES) partial++;
      for (const name of names) assert.equal(sha256Hex(readFileSync(join(target, name))), right.get(name), name);
      const startedAt = performance.now();
      await live.ferry(["pull", "kill/pull", target]);
      fullMs = Math.max(400, Math.round(performance.now() - startedAt));
      assert.deepEqual(snapshot(target), snapshot(source));
    }
    t.diagnostic(`${kills} kills of pull: wrong files 0; ${partial} kills came between two files`);
    assert.ok(kills >= KILLS, `only ${kills} kills came before the end`);
  });
});

function writeTree(path: string, seed: string): void {
  rmSync(path, { recursive: true, force: true });
  mkdirSync(path, { recursive: true });
  for (let at = 0; at < FILES; at++)
    writeFileSync(join(path, `weights-${at}.bin`), Buffer.concat([...seededBytes(`${seed} ${at}`, FILE_BYTES)]));
}

/** Keys of all chunk objects, read straight from the store. */
async function chunkObjects(live: Live): Promise<string[]> {
  const [home] = live.stack.stores;
  if (home === undefined) throw new Error("no home store");
  return listKeys(home, "chunks/");
}
