/** Imports by the program: from a Hub (our own door), from a bucket (local R2), from a URL; with faults on the way, and killed in the middle. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { Store } from "../../scripts/stack/stores.ts";
import { MiB } from "../../shared/units.ts";
import { FaultProxy } from "../support/fault-proxy.ts";
import { type Live, seededBytes, startLive, writeSafetensors } from "../support/live.ts";
import { repositoryName } from "../support/memory-app.ts";
import { overwriteObject } from "../support/s3-keys.ts";
import { whyNoRedis } from "../support/stack.ts";
import { plant, snapshot, tempFolder } from "../support/trees.ts";

describe("ferry import", { skip: whyNoRedis() }, () => {
  const folder = tempFolder();
  const source = join(folder.path, "model");
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
