/** An executor beside a store that the edge does not reach: the program, over HTTP only, between two stores of local R2. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { SyncStep } from "../../shared/contract/replication.ts";
import { StoreId } from "../../shared/names.ts";
import { MiB } from "../../shared/units.ts";
import { type Live, startLive, writeSafetensors } from "../support/live.ts";
import { repositoryName } from "../support/memory-app.ts";
import { whyNoRedis } from "../support/stack.ts";
import { snapshot, tempFolder } from "../support/trees.ts";

const MODEL = repositoryName("team/model");

describe("an executor over HTTP, real Redis and local R2", { skip: whyNoRedis() }, () => {
  const folder = tempFolder();
  const source = join(folder.path, "model");
  let live: Live;
  before(async () => {
    live = await startLive({
      runtime: "node",
      stores: (local) => local.map((store) => (store.id === "west" ? { ...store, reach: "agent" } : store)),
    });
    const tensors = Object.fromEntries(Array.from({ length: 20 }, (_, at) => [`t${at}`, { sizeBytes: 6 * MiB, seed: `t${at}` }]));
    writeSafetensors(join(source, "model.safetensors"), tensors);
    writeFileSync(join(source, "config.json"), "{}");
    await live.ferry(["policy", "create", "west", "--stores", "west"]);
    await live.ferry(["push", source, MODEL]);
  });
  after(async () => {
    await live?.stop();
    folder.remove();
  });

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
});
