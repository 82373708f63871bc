/** Recovery as an operator sees it (F26 and F34 of reference/safety.md §6): the program, the deployment's bell, real Redis, local R2 and a real Ceph. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, type TestContext, test } from "node:test";
import type { FsckRun } from "../../shared/contract/fsck.ts";
import { MiB } from "../../shared/units.ts";
import { CEPH, LOCAL_R2 } from "../support/fault-ground.ts";
import { diffWithRebuilt } from "../support/index-diff.ts";
import { type Live, startLive, writeSafetensors } from "../support/live.ts";
import { repositoryName } from "../support/memory-app.ts";
import { deleteObject, listKeys, overwriteObject, readObject } from "../support/s3-keys.ts";
import { whyNoRedis } from "../support/stack.ts";
import { snapshot, tempFolder } from "../support/trees.ts";

/** Where no Ceph can be had, Node has local R2 as its home, too. */
const GROUNDS = [
  { runtime: "workerd", home: LOCAL_R2 },
  { runtime: "node", home: CEPH.whyNot() === false ? CEPH : LOCAL_R2 },
] as const;

for (const { runtime, home } of GROUNDS) {
  describe(`recovery on ${runtime}, real Redis and ${home.name}`, { skip: whyNoRedis() }, () => {
    const folder = tempFolder();
    const source = join(folder.path, "model");
    let live: Live;
    let closeHome = async () => {};
    let whyNot: string | null = null;
    const check = (guarantee: string, body: (t: TestContext) => Promise<void>) =>
      test(guarantee, { timeout: 120_000 }, (t) => (whyNot === null ? body(t) : t.skip(whyNot)));
    before(async () => {
      const opened = await home.open();
      if ("reason" in opened) {
        whyNot = opened.reason;
        return;
      }
      closeHome = opened.close;
      const { store } = opened;
      live = await startLive({ runtime, ...(store === null ? {} : { stores: ([, ...others]) => [store, ...others] }) });
      const tensors = Object.fromEntries(["a", "b", "c", "d"].map((name) => [name, { sizeBytes: 5 * MiB, seed: name }]));
      writeSafetensors(join(source, "model.safetensors"), tensors);
      writeFileSync(join(source, "config.json"), "{}");
      await live.ferry(["push", source, "team/model", "-m", "first"]);
      await live.ferry(["tag", "team/model@main", "v1"]);
    });
    after(async () => {
      await live?.stop();
      await closeHome();
      folder.remove();
    });

    check("F34: ferry rebuild brings a wiped Redis back to what it was, and has nothing to do after that", async (t) => {
      const before = await live.ferry(["show", "team/model"]);
      await live.wipeRedis();
      const { run } = (await live.ferry(["rebuild"])) as { run: { phase: string; healedRecords: number; entries: number } };
      assert.deepEqual([run.phase, run.healedRecords >= 2, run.entries > 4], ["done", true, true]);
      assert.deepEqual(await live.ferry(["show", "team/model"]), before);
      const again = (await live.ferry(["rebuild"])) as { run: { healedRecords: number; entries: number } };
      assert.deepEqual([again.run.healedRecords, again.run.entries], [0, 0]);
      const second = await live.ferry(["push", source, "team/again"]);
      assert.equal(second["chunksSent"], 0, "what is stored is known again");
      const diff = await diffWithRebuilt({ stack: live.stack });
      assert.deepEqual(diff.differences, []);
      t.diagnostic(
        `${run.healedRecords} records and ${run.entries} entries; ${diff.keys} keys and ${diff.chunks} chunks compared, 0 differences`,
      );
    });

    check("ferry rebuild --check tells that all is well", async () => {
      const states: unknown[] = [];
      while (states.at(-1) !== "sound" && states.length < 5) states.push((await live.ferry(["rebuild", "--check"]))["state"]);
      assert.equal(states.at(-1), "sound");
    });

    test("F26: bit rot stops a pull, fsck tells whose files it is, and after a repair a push heals the branch", async (t) => {
      const sound = (await live.ferry(["fsck", "--read-data"])) as { run: FsckRun };
      assert.deepEqual([sound.run.findings, sound.run.read > 4], [[], true]);
      const key = await rot(live);
      await assert.rejects(live.ferry(["pull", "team/model", join(folder.path, "rotten")]), /left with 8/);
      await assert.rejects(live.ferry(["fsck", "--read-data"]), /left with 8/);
      const { run } = await live.admin.call("fsckStatus", {});
      assert.deepEqual(
        run?.findings.map(({ kind, affected }) => [kind, [...new Set(affected.map(({ path }) => path))]]),
        [["chunk.corrupt", ["model.safetensors"]]],
      );
      assert.ok(key.includes(run?.findings[0]?.what ?? "none"));
      await assert.rejects(live.ferry(["fsck", "--read-data", "--repair"]), /left with 8/);
      const pushed = await live.ferry(["push", source, "team/model", "-m", "again"]);
      assert.equal(pushed["chunksSent"], 1);
      await live.ferry(["pull", "team/model", join(folder.path, "healed")]);
      assert.deepEqual(snapshot(join(folder.path, "healed")), snapshot(source));
      t.diagnostic("1 bit in 1 chunk: found by pull and by fsck 100 %, healed by one push that sent 1 chunk");
    });

    check(
      "F26: the next repair mends older revisions by the bytes of that push; a chunk that home lost comes back from another store",
      async (t) => {
        const own = (await live.ferry(["fsck", "--read-data", "--repair"])) as { run: FsckRun };
        // That of the tag, and that of the repository which was pushed the same files.
        assert.deepEqual([own.run.mended, own.run.bad.map(({ source }) => source?.store)], [2, ["home"]]);
        await live.ferry(["pull", "team/model@v1", join(folder.path, "older")]);
        assert.deepEqual(snapshot(join(folder.path, "older")), snapshot(source));
        const lost = await loseToWest(live);
        const plan = await live.ferry(["fsck", "--plan"]).catch(() => live.admin.call("fsckStatus", {}));
        assert.deepEqual(
          (plan as { run: FsckRun }).run.bad.map(({ sha256, source }) => [sha256, source?.store]),
          [[lost, "west"]],
        );
        const { run } = (await live.ferry(["fsck", "--repair"])) as { run: FsckRun };
        await live.ferry(["pull", "team/model@v1", join(folder.path, "west")]);
        assert.deepEqual(snapshot(join(folder.path, "west")), snapshot(source));
        const after = (await live.ferry(["fsck", "--read-data"])) as { run: FsckRun };
        assert.deepEqual([after.run.findings, (await diffWithRebuilt({ stack: live.stack })).differences], [[], []]);
        t.diagnostic(
          `1 chunk brought from another key at home, 1 from another store, for ${own.run.mended} and ${run.mended} revisions; healed 100 %`,
        );
      },
    );

    if (runtime === "workerd") {
      check("the minute's bell finds that Redis lost everything, and brings it back by itself", async () => {
        await live.wipeRedis();
        const states: string[] = [];
        for (let bells = 0; bells < 6 && states.at(-1) !== "sound"; bells++) {
          const rung = await fetch(`${live.stack.endpoint}/cdn-cgi/local/scheduled?cron=*+*+*+*+*`, { method: "POST" });
          assert.equal(rung.status, 200);
          await rung.arrayBuffer();
          states.push((await live.admin.call("checkIndex", {})).state);
        }
        assert.equal(states.at(-1), "sound");
        assert.deepEqual((await diffWithRebuilt({ stack: live.stack })).differences, []);
      });
    }

    check("nobody but an administrator of the deployment may do any of it", async () => {
      const token = await live.tokenFor({ repositories: "team/*", actions: ["pull", "push", "tag", "delete", "admin"] });
      for (const argv of [["rebuild"], ["fsck"], ["rebuild", "--check"], ["fsck", "--cancel"]]) {
        await assert.rejects(live.ferry(argv, { token }), /left with 4/, argv.join(" "));
      }
    });
  });
}

/** A chunk of v1 goes from home, and is in the other store under a key that home never had. */
async function loseToWest({ stack, admin }: Live): Promise<string> {
  const [home, west] = stack.stores;
  assert.ok(home !== undefined && west !== undefined);
  const { manifest } = await admin.call("manifest", { repository: repositoryName("team/model"), params: { ref: "v1" } });
  const config = manifest.files.find(({ path }) => path === "config.json");
  assert.ok(config !== undefined && config.mode !== "link");
  const keys = await listKeys(home, `chunks/${config.sha256.slice(0, 2)}/${config.sha256}`);
  for (const key of keys) {
    await overwriteObject(west, `${key.slice(0, -16)}0123456789abcdef`, await readObject(home, key));
    await deleteObject(home, key);
  }
  return config.sha256;
}

/** Flips one bit in one chunk of the tensors, as a disk might. */
async function rot({ stack, admin }: Live): Promise<string> {
  const [home] = stack.stores;
  assert.ok(home !== undefined);
  const { manifest } = await admin.call("manifest", { repository: repositoryName("team/model"), params: { ref: "main" } });
  const config = manifest.files.find(({ path }) => path === "config.json");
  const keys = (await listKeys(home, "chunks/")).filter((key) => config?.mode !== "link" && !key.includes(config?.sha256 ?? "none"));
  const sizes = await Promise.all(keys.map(async (key) => ({ key, bytes: await readObject(home, key) })));
  const large = sizes.find(({ bytes }) => bytes.length >= 4 * MiB);
  assert.ok(large !== undefined);
  large.bytes[1_000_000] = (large.bytes[1_000_000] ?? 0) ^ 1;
  await overwriteObject(home, large.key, large.bytes);
  return large.key;
}
