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
import { listObjects } from "../support/s3-keys.ts";
import { whyNoRedis } from "../support/stack.ts";
import { snapshot, tempFolder } from "../support/trees.ts";

const MODEL = repositoryName("team/model");
/** Full size: FERRY_PARITY_MIB=1024. */
const SIZE_MIB = Number(process.env["FERRY_PARITY_MIB"] ?? 60);
/** Each is a chunk of its own, or more. One of twenty changes: 5 %; of a small model one of fewer. */
const TENSORS = Array.from({ length: Math.min(20, Math.max(2, Math.floor(SIZE_MIB / 4))) }, (_, at) => `t${at}`);
const TENSOR_BYTES = Math.max(4, Math.ceil(SIZE_MIB / TENSORS.length)) * MiB;
const MODEL_BYTES = TENSORS.length * TENSOR_BYTES;
/** Beside chunks: lists, logs, envelopes. */
const BESIDE_BYTES = MiB;
/** Local R2, which is home here, writes some 10 MiB/s when other tests run. */
const PUSH_MS = 120_000 + 250 * SIZE_MIB;

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
  });
  after(async () => {
    await live?.stop();
    await proxy?.close();
    if (!("reason" in ceph)) await ceph.stop();
    folder.remove();
  });

  async function push(changed: number, tag: string): Promise<string> {
    const tensors = TENSORS.map((name, at) => [name, { sizeBytes: TENSOR_BYTES, seed: at < changed ? `${name} of ${tag}` : name }]);
    writeSafetensors(join(source, "model.safetensors"), Object.fromEntries(tensors));
    writeFileSync(join(source, "config.json"), JSON.stringify({ tag }));
    const { revision } = await live.ferry(["push", source, MODEL, "--connections", "4"], { timeoutMs: PUSH_MS });
    await live.ferry(["tag", MODEL, tag]);
    return String(revision);
  }

  /** How long it took, in seconds. */
  async function untilReady(revision: string, store: string): Promise<string> {
    const begunMs = performance.now();
    for (;;) {
      const { replicas } = await live.admin.call("syncStatus", { query: { repository: MODEL } });
      const row = replicas.find((one) => one.revision === revision);
      const seconds = (performance.now() - begunMs) / 1000;
      if (row?.stores.find((one) => one.store === store)?.state === "ready") return seconds.toFixed(1);
      assert.ok(seconds < 60 + SIZE_MIB / 2, JSON.stringify(replicas));
      await live.admin.call("stepSync", {});
    }
  }

  async function storedIn(id: string): Promise<number> {
    const store = live.stack.stores.find((one) => one.id === id);
    assert.ok(store !== undefined);
    return (await listObjects(store, "chunks/")).reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  }

  const timeout = PUSH_MS + 90_000 + 1_000 * SIZE_MIB;
  let first = "";
  let second = "";

  test("a Ceph that answers 503 for a while has the model whole afterwards, with no new event", { timeout }, async (t) => {
    if ("reason" in ceph) return t.skip(ceph.reason);
    await live.ferry(["policy", "create", "far", "--stores", "idc", "--trigger", "tag", "--refs", "release-*"]);
    proxy.rules = [{ verb: "PUT", fault: { kind: "status", status: 503, code: "SlowDown" } }];
    first = await push(0, "release-1");
    const step = await live.admin.call("stepSync", {});
    assert.notDeepEqual(step.problems, []);
    assert.ok(proxy.faultCount("status") > 0);
    proxy.rules = [];
    t.diagnostic(`${MODEL_BYTES / MiB} MiB: ready ${await untilReady(first, "idc")} s after the last 503`);
    const target = join(folder.path, "pulled");
    await live.ferry(["pull", MODEL, target], { env: { FERRY_NEAR: "idc" }, timeoutMs: PUSH_MS });
    assert.deepEqual(snapshot(target), snapshot(source));
  });

  test("of a second version with 5 % changed only its new chunks move", { timeout }, async (t) => {
    if ("reason" in ceph) return t.skip(ceph.reason);
    const before = await storedIn("idc");
    second = await push(1, "release-2");
    const seconds = await untilReady(second, "idc");
    const moved = (await storedIn("idc")) - before;
    t.diagnostic(`${moved} bytes moved in ${seconds} s, ${TENSOR_BYTES} are new: ${((moved / TENSOR_BYTES - 1) * 100).toFixed(3)} % more`);
    assert.ok(moved <= TENSOR_BYTES * 1.01);
  });

  test("a third store that joins the policy is filled from the Ceph beside it, which sends each chunk once", { timeout }, async (t) => {
    if ("reason" in ceph) return t.skip(ceph.reason);
    proxy.resetCounts();
    // One after the other: two executors that are at both at once may read a shared chunk twice, and store it once.
    for (const [revision, refs] of [
      [first, "release-1"],
      [second, "release-*"],
    ] as const) {
      await live.ferry(["policy", "create", "far", "--stores", "idc,west", "--trigger", "tag", "--refs", refs]);
      t.diagnostic(`ready after ${await untilReady(revision, "west")} s`);
    }
    const lacked = await storedIn("west");
    t.diagnostic(`${lacked} bytes were lacking, ${proxy.sentBytes} came from the Ceph; ${JSON.stringify(proxy.requests)}`);
    // Both revisions, and what they share once.
    assert.ok(lacked >= MODEL_BYTES + TENSOR_BYTES && lacked <= (MODEL_BYTES + TENSOR_BYTES) * 1.01);
    assert.ok(proxy.sentBytes >= lacked);
    assert.ok(proxy.sentBytes <= lacked * 1.01 + BESIDE_BYTES);
    const seen = await live.ferry(["sync", "verify", MODEL, "--store", "west"]);
    assert.deepEqual([seen["replicas"], seen["missing"]], [2, 0]);
  });
});
