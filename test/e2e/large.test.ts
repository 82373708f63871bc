import assert from "node:assert/strict";
import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { GiB, MiB } from "../../shared/units.ts";
import { type Forwarder, startForwarder } from "../support/forwarder.ts";
import { fileSha256, type Live, startLive, writeSafetensors } from "../support/live.ts";
import { whyNoRedis } from "../support/stack.ts";
import { tempFolder } from "../support/trees.ts";

const SHARDS = Number(process.env["FERRY_LARGE_GIB"] ?? 3);
const TENSOR_BYTES = 64 * MiB;
const TENSORS = GiB / TENSOR_BYTES;
/** Header, padding and tensors under 4 MiB of one file. */
const RESIDUE_BYTES_MAX = 2 * MiB;

describe(`a safetensors directory of ${SHARDS} GiB on workerd`, { skip: whyNoRedis() }, () => {
  const folder = tempFolder();
  const model = join(folder.path, "model");
  let live: Live;
  let edge: Forwarder;
  before(async () => {
    live = await startLive({ runtime: "workerd" });
    edge = await startForwarder();
    edge.target = live.stack.endpoint;
    for (let shard = 0; shard < SHARDS; shard++) writeShard(shard);
  });
  after(async () => {
    await edge?.stop();
    await live?.stop();
    folder.remove();
  });

  function writeShard(shard: number, changed: Record<string, string> = {}, metadata: Record<string, string> = {}): void {
    const names = Array.from({ length: TENSORS }, (_, at) => `model.layers.${shard}.${at}.weight`);
    const tensors = names.map((name) => [name, { sizeBytes: TENSOR_BYTES, seed: changed[name] ?? name }] as const);
    const norms = names.map((name) => [`${name}.norm`, { sizeBytes: 8192, seed: `${name} norm` }] as const);
    writeSafetensors(join(model, `model-${shard}.safetensors`), Object.fromEntries([...tensors, ...norms]), metadata);
  }

  test("is pushed with JSON only at the edge, and pulled byte-identical", { timeout: 400_000 }, async (t) => {
    const pushed = await live.ferry(["push", model, "big/model"], { endpoint: edge.url, timeoutMs: 300_000 });
    const total = Number(pushed["bytesTotal"]);
    assert.ok(total >= SHARDS * GiB);
    assert.equal(pushed["bytesSent"], total);
    t.diagnostic(
      `push ${total} B in ${pushed["seconds"]} s; ${edge.requestBytes} B in ${edge.requests} requests at the edge (${((100 * edge.requestBytes) / total).toFixed(4)} %)`,
    );
    assert.ok(edge.requestBytes < total / 100);
    const target = join(folder.path, "pulled");
    const pulled = await live.ferry(["pull", "big/model", target], { timeoutMs: 300_000 });
    t.diagnostic(`pull in ${pulled["seconds"]} s`);
    for (const name of readdirSync(model)) assert.equal(await fileSha256(join(target, name)), await fileSha256(join(model, name)), name);
    rmSync(target, { recursive: true });
  });

  test("after one tensor changed, a push sends that tensor and the residue at most", { timeout: 200_000 }, async (t) => {
    const name = `model.layers.0.${TENSORS - 1}.weight`;
    writeShard(0, { [name]: "changed" });
    const pushed = await live.ferry(["push", model, "big/model"], { timeoutMs: 180_000 });
    t.diagnostic(`${pushed["bytesSent"]} B sent`);
    assert.ok(Number(pushed["bytesSent"]) >= TENSOR_BYTES);
    assert.ok(Number(pushed["bytesSent"]) <= TENSOR_BYTES + RESIDUE_BYTES_MAX);
  });

  test("after the metadata changed, a push sends the residue at most", { timeout: 200_000 }, async (t) => {
    writeShard(0, { [`model.layers.0.${TENSORS - 1}.weight`]: "changed" }, { note: "another header, and every offset is another" });
    const pushed = await live.ferry(["push", model, "big/model"], { timeoutMs: 180_000 });
    t.diagnostic(`${pushed["bytesSent"]} B sent`);
    assert.ok(Number(pushed["bytesSent"]) > 0);
    assert.ok(Number(pushed["bytesSent"]) <= RESIDUE_BYTES_MAX);
  });
});
