/** Replication between stores of different make: local R2 as home, a real Ceph, and a third store that is filled from the Ceph. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { Store } from "../../scripts/stack/stores.ts";
import { MiB } from "../../shared/units.ts";
import { type Ceph, startCeph, whyNoCeph } from "../support/ceph.ts";
import { FaultProxy } from "../support/fault-proxy.ts";
import { type Live, startLive, writeSafetensors } from "../support/live.ts";
import { repositoryName } from "../support/memory-app.ts";
import { whyNoRedis } from "../support/stack.ts";
import { snapshot, tempFolder } from "../support/trees.ts";

const MODEL = repositoryName("team/model");
/** Full size: FERRY_PARITY_MIB=1024. */
const SIZE_MIB = Number(process.env["FERRY_PARITY_MIB"] ?? 60);

describe("replication from local R2 to a real Ceph and on", { skip: whyNoRedis() || whyNoCeph() }, () => {
  const folder = tempFolder();
  const source = join(folder.path, "model");
  let ceph: Ceph | { reason: string } = { reason: "it was not started" };
  let live: Live;
  let proxy: FaultProxy;
  before(async () => {
    ceph = await startCeph();
    if ("reason" in ceph) return;
    const far = await ceph.makeStore("idc");
    proxy = await FaultProxy.start(far.endpoint);
    const idc = { ...far, endpoint: proxy.endpoint + new URL(far.endpoint).pathname.replace(/\/$/, ""), near: ["asia"] };
    live = await startLive({
      runtime: "node",
      stores: (local): Store[] => local.flatMap((store) => (store.id === "west" ? [idc, { ...store, near: ["asia"] }] : [store])),
    });
    const tensors = Object.fromEntries(
      Array.from({ length: 10 }, (_, at) => [`t${at}`, { sizeBytes: (SIZE_MIB / 10) * MiB, seed: `t${at}` }]),
    );
    writeSafetensors(join(source, "model.safetensors"), tensors);
    writeFileSync(join(source, "config.json"), "{}");
  });
  after(async () => {
    await live?.stop();
    await proxy?.close();
    if (!("reason" in ceph)) await ceph.stop();
    folder.remove();
  });

  async function untilReady(store: string, timeoutMs: number): Promise<void> {
    const begunMs = performance.now();
    for (;;) {
      const { replicas } = await live.admin.call("syncStatus", { query: { repository: MODEL } });
      if (replicas[0]?.stores.find((one) => one.store === store)?.state === "ready") return;
      assert.ok(performance.now() - begunMs < timeoutMs, JSON.stringify(replicas));
      await live.admin.call("stepSync", {});
    }
  }

  test("a Ceph that answers 503 for a while has the model whole afterwards, with no new event", {
    timeout: 90_000 + 1_000 * SIZE_MIB,
  }, async (t) => {
    if ("reason" in ceph) return t.skip(ceph.reason);
    proxy.rules = [{ verb: "PUT", fault: { kind: "status", status: 503, code: "SlowDown" } }];
    await live.ferry(["push", source, MODEL]);
    await live.ferry(["tag", MODEL, "deploy/idc"]);
    const step = await live.admin.call("stepSync", {});
    assert.notDeepEqual(step.problems, []);
    assert.ok(proxy.faultCount("status") > 0);
    proxy.rules = [];
    await untilReady("idc", 60_000 + 500 * SIZE_MIB);
    const target = join(folder.path, "pulled");
    await live.ferry(["pull", MODEL, target], { env: { FERRY_NEAR: "idc" } });
    assert.deepEqual(snapshot(target), snapshot(source));
  });

  test("a third store beside the Ceph is filled from it", { timeout: 90_000 + 1_000 * SIZE_MIB }, async (t) => {
    if ("reason" in ceph) return t.skip(ceph.reason);
    proxy.resetCounts();
    await live.ferry(["tag", MODEL, "deploy/west"]);
    await untilReady("west", 60_000 + 500 * SIZE_MIB);
    t.diagnostic(`${Math.round(proxy.sentBytes / MiB)} MiB came from the Ceph; ${JSON.stringify(proxy.requests)}`);
    assert.ok(proxy.sentBytes >= SIZE_MIB * MiB);
    const seen = await live.ferry(["sync", "verify", MODEL, "--store", "west"]);
    assert.deepEqual([seen["replicas"], seen["missing"]], [1, 0]);
  });
});
