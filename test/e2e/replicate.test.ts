/** Many stores on real parts: real Redis, local R2 as two stores, the program, and the app on workerd and on Node. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { SyncStatus, SyncStep } from "../../shared/contract/replication.ts";
import { MiB } from "../../shared/units.ts";
import { type Live, startLive, writeSafetensors } from "../support/live.ts";
import { repositoryName } from "../support/memory-app.ts";
import { listObjects } from "../support/s3-keys.ts";
import { whyNoRedis } from "../support/stack.ts";
import { snapshot, tempFolder } from "../support/trees.ts";

const MODEL = repositoryName("team/model");
/** Full size: FERRY_PARITY_MIB=1024. */
const SIZE_MIB = Number(process.env["FERRY_PARITY_MIB"] ?? 120);
/** Local R2 writes some 10 MiB/s when other tests run. */
const MOVE_MS = 120_000 + 250 * SIZE_MIB;
/** Large enough for a chunk of its own. */
const TENSOR_BYTES = 6 * MiB;
const TENSORS = Array.from({ length: Math.max(20, Math.round((SIZE_MIB * MiB) / TENSOR_BYTES)) }, (_, at) => `t${at}`);
/** One in twenty. */
const CHANGED = TENSORS.filter((_, at) => at % 20 === 3);

for (const [runtime, sharedKeys] of [
  ["workerd", false],
  ["node", true],
] as const) {
  const way = sharedKeys ? "which copies by itself" : "with keys of its own for each bucket";
  describe(`replication on ${runtime}, real Redis and local R2, ${way}`, { skip: whyNoRedis() }, () => {
    const folder = tempFolder();
    const source = join(folder.path, "model");
    let live: Live;
    before(async () => {
      live = await startLive({ runtime, sharedKeys });
      await live.ferry(["policy", "create", "west", "--stores", "west", "--trigger", "tag", "--refs", "release-*"]);
    });
    after(async () => {
      await live?.stop();
      folder.remove();
    });

    async function push(changed: string, tag: string): Promise<string> {
      const tensors = Object.fromEntries(
        TENSORS.map((name) => [name, { sizeBytes: TENSOR_BYTES, seed: ` ${changed}`.includes(` ${name} `) ? `${name} of ${tag}` : name }]),
      );
      writeSafetensors(join(source, "model.safetensors"), tensors);
      writeFileSync(join(source, "config.json"), JSON.stringify({ tag }));
      const pushed = await live.ferry(["push", source, MODEL, "--connections", "4"], { timeoutMs: MOVE_MS });
      await live.ferry(["tag", MODEL, tag]);
      return String(pushed["revision"]);
    }

    async function untilReady(revision: string, timeoutMs: number): Promise<number> {
      const begunMs = performance.now();
      for (;;) {
        const { replicas } = (await live.ferry(["sync", "status", MODEL])) as SyncStatus;
        const row = replicas.find((one) => one.revision === revision);
        if (row?.stores.find(({ store }) => store === "west")?.state === "ready") return performance.now() - begunMs;
        assert.ok(performance.now() - begunMs < timeoutMs, `${revision} is not ready in west: ${JSON.stringify(row)}`);
        // The bell, which a Worker has from its cron: what the tag has woken may not live as long as the copy.
        await live.admin.call("stepSync", {});
      }
    }

    test("a model with a tag is whole in the other store, and is pulled from there byte for byte", {
      timeout: 60_000 + 1_000 * SIZE_MIB,
    }, async (t) => {
      const revision = await push("", "release-1");
      const ms = await untilReady(revision, 60_000 + 500 * SIZE_MIB);
      const target = join(folder.path, "pulled");
      await live.ferry(["pull", `${MODEL}@release-1`, target], { env: { FERRY_NEAR: "west" }, timeoutMs: MOVE_MS });
      assert.deepEqual(snapshot(target), snapshot(source));
      t.diagnostic(`${SIZE_MIB} MiB: ready ${Math.round(ms)} ms after the tag`);
    });

    test("of a second version with 5 % changed only the new chunks move", { timeout: 60_000 + 1_000 * SIZE_MIB }, async (t) => {
      const before = await storedIn("west");
      const revision = await push(CHANGED.map((name) => `${name} `).join(""), "release-2");
      await untilReady(revision, 60_000 + 100 * SIZE_MIB);
      const moved = (await storedIn("west")) - before;
      const ideal = CHANGED.length * TENSOR_BYTES;
      t.diagnostic(`moved ${moved} bytes, ${ideal} of the tensors are new: ${((moved / ideal - 1) * 100).toFixed(3)} % more`);
      assert.ok(moved <= ideal * 1.01);
      const { chunks, missing, replicas } = await live.ferry(["sync", "verify", MODEL, "--store", "west"]);
      assert.deepEqual([missing, replicas], [0, 2]);
      assert.ok(Number(chunks) > TENSORS.length);
    });

    /** Bytes of all chunks. */
    async function storedIn(id: string): Promise<number> {
      const store = live.stack.stores.find((one) => one.id === id);
      assert.ok(store !== undefined);
      const objects = await listObjects(store, "chunks/");
      return objects.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    }

    test("F29: a wiped Redis in the middle costs nothing that was copied", { timeout: 60_000 + 1_000 * SIZE_MIB }, async () => {
      const revision = await push("t11 t12 t13 ", "release-3");
      await live.wipeRedis();
      await live.ferry(["rebuild"]);
      await untilReady(revision, 60_000 + 500 * SIZE_MIB);
      const step: SyncStep = await live.admin.call("stepSync", {});
      assert.deepEqual([step.opened, step.tasks, step.problems], [0, 0, []]);
    });
  });
}
