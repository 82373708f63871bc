/**
 * How fast collection deletes on a store that does not hold it up (the bench's own), and how much memory a scan of many chunks takes.
 * FERRY_COLLECT_CHUNKS: chunks of the second test; a million takes a minute.
 */
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { Margins } from "../../functions/registry/collect/margins.ts";
import { startCollect, stepCollect } from "../../functions/registry/collect/run.ts";
import type { Bucket, ObjectInfo, Ports } from "../../functions/registry/ports.ts";
import { encodeRecord } from "../../functions/registry/records.ts";
import { S3Server } from "../../scripts/bench/s3/server.ts";
import type { CollectRun } from "../../shared/contract/collect.ts";
import { MiB } from "../../shared/units.ts";
import { type Live, startLive } from "../support/live.ts";
import { memoryApp, repositoryName } from "../support/memory-app.ts";
import { Pusher } from "../support/pusher.ts";
import { whyNoRedis } from "../support/stack.ts";

setFlagsFromString("--expose-gc");
const collectGarbage: () => void = runInNewContext("gc");

const ORPHANS = 20_000;
const PER_MINUTE = 10_000;
const CHUNKS = Number(process.env["FERRY_COLLECT_CHUNKS"] ?? 100_000);
/** Garbage at once; all of it may go. */
const MARGINS = { chunkAgeMs: 0, intentWaitMs: 0, skewMs: 1_500, shareMax: 1 };

describe("collection on a quick store", { skip: whyNoRedis() }, () => {
  const folder = mkdtempSync(join(tmpdir(), "ferry-quick-"));
  let s3: S3Server;
  let live: Live;
  before(async () => {
    const keys = { accessKeyId: randomBytes(8).toString("hex"), secretAccessKey: randomBytes(16).toString("hex") };
    s3 = await S3Server.start({ folder, logFile: join(folder, "s3.log"), bucket: "home", ...keys, tls: null });
    const endpoint = `http://127.0.0.1:${s3.port}`;
    const home = { id: "home", provider: "minio", addressing: "path" as const, endpoint, region: "us-east-1", bucket: "home", ...keys };
    live = await startLive({ runtime: "node", stores: () => [home], vars: { COLLECT_MARGINS: JSON.stringify(MARGINS) } });
  });
  after(async () => {
    await live?.stop();
    await s3?.stop();
    rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
  });

  test(`${ORPHANS} chunks go at more than ${PER_MINUTE} a minute, and what is named stays`, { timeout: 120_000 }, async (t) => {
    const repository = repositoryName("quick/model");
    const pusher = new Pusher(live.admin, fetch as never);
    await pusher.create(repository);
    await pusher.push(repository, { kept: "kept" });
    const orphans = Array.from({ length: ORPHANS }, (_, at) => {
      const sha256 = createHash("sha256").update(`orphan ${at}`).digest("hex");
      return { key: `chunks/${sha256.slice(0, 2)}/${sha256}~${sha256.slice(0, 16)}`, text: "x" };
    });
    for (let at = 0; at < ORPHANS; at += 5_000) await s3.store(orphans.slice(at, at + 5_000));
    const begunMs = performance.now();
    let [deleted, deletingMs] = [0, 0];
    // Times of stores are whole seconds: what was stored in the second in which a run begins is left for the next.
    for (let runs = 0; deleted < ORPHANS && runs < 50; runs++) {
      const each = await collect(live);
      assert.deepEqual([each.run.phase, each.run.missing], ["done", 0]);
      deleted += each.run.deleted;
      deletingMs += each.deletingMs;
    }
    const seconds = (performance.now() - begunMs) / 1000;
    const perMinute = Math.round((deleted * 60_000) / deletingMs);
    t.diagnostic(`${deleted} chunks deleted in ${seconds.toFixed(1)} s with all scans: ${perMinute} a minute while it deleted`);
    assert.equal(deleted, ORPHANS);
    assert.ok(deleted / (seconds / 60) > PER_MINUTE);
  });
});

async function collect({ admin }: Live): Promise<{ run: CollectRun; deletingMs: number }> {
  let { run } = await admin.call("startCollect", { body: { dryRun: false } });
  let deletingMs = 0;
  while (run !== null && run.phase !== "done" && run.phase !== "aborted") {
    const [phase, begunMs] = [run.phase, performance.now()];
    ({ run } = await admin.call("stepCollect", {}));
    if (phase === "delete") deletingMs += performance.now() - begunMs;
  }
  assert.ok(run !== null, "a run");
  return { run, deletingMs };
}

test(`a run over ${CHUNKS} chunks, of which a fiftieth is garbage, holds its memory within a Worker's 128 MB`, {
  timeout: 600_000,
}, async (t) => {
  const margins = Margins.parse({ chunkAgeMs: 0, intentWaitMs: 0, skewMs: 0, shareMax: 1 });
  let [base, peak, looks] = [0, 0, 0];
  let chunks: MadeUp | undefined;
  const app = await memoryApp({
    decorate: (ports) => {
      chunks = madeUp(ports, () => {
        if (looks++ % LOOK_EACH === 0) peak = Math.max(peak, usedBytes() - base);
      });
      return { ...ports, margins, ...chunks.ports };
    },
  });
  app.clock.advance(1_000);
  base = usedBytes();
  let { run } = await startCollect(app.ports, { dryRun: false });
  while (run !== null && run.phase !== "done" && run.phase !== "aborted") ({ run } = await stepCollect(app.ports));
  t.diagnostic(`${run?.chunks} chunks, ${run?.deleted} deleted; at most ${Math.round(peak / MiB)} MiB beyond what the app takes`);
  assert.ok(peak < 64 * MiB, `${peak} bytes`);
  assert.deepEqual(
    [run?.phase, run?.problem, run?.deleted, chunks?.deleted()],
    ["done", null, CHUNKS / GARBAGE_EACH, CHUNKS / GARBAGE_EACH],
  );
});

/** What is really held: JavaScript's own garbage is taken away first. */
function usedBytes(): number {
  collectGarbage();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

const GARBAGE_EACH = 50;
const LOOK_EACH = 20;
const ENVELOPE_CHUNKS = 1_000;
type MadeUp = { ports: Partial<Ports>; deleted(): number };

/** A bucket whose chunks and envelopes are made up when they are asked for: chunk `n` has a digest that begins with n in 6 hex digits. */
function madeUp(ports: Ports, look: () => void): MadeUp {
  const { home } = ports.stores;
  let deleted = 0;
  const spread = (0x1000000 / CHUNKS) | 0;
  const digest = (n: number) => (n * spread).toString(16).padStart(6, "0").padEnd(64, "5");
  const tag = (n: number) => (n * spread).toString(16).padStart(16, "0");
  const chunkKey = (n: number) => `chunks/${digest(n).slice(0, 2)}/${digest(n)}~${tag(n)}`;
  const envelopes = CHUNKS / ENVELOPE_CHUNKS;
  const envelopeKey = (n: number) => `manifests/${n.toString(16).padStart(64, "0")}.${n.toString(16).padStart(16, "0")}.json`;
  const envelope = (n: number) => {
    const own = Array.from({ length: ENVELOPE_CHUNKS }, (_, at) => n * ENVELOPE_CHUNKS + at).filter((chunk) => chunk % GARBAGE_EACH !== 0);
    const placement = own.map((chunk) => [digest(chunk), 1, tag(chunk)] as [string, number, string]);
    const files = own.map((chunk) => ({ path: `f${chunk}`, mode: "file", size: 1, sha256: digest(chunk), chunk: digest(chunk) }));
    return encodeRecord({ v: 1, repositoryId: "0123456789abcdef", manifest: { v: 1, files }, placement });
  };
  const listed = (key: (n: number) => string, count: number, prefix: string, options: { after?: string; limit?: number }) => {
    look();
    const firstAt = (wanted: (text: string) => boolean) => {
      let [low, high] = [0, count];
      while (low < high) {
        const middle = (low + high) >>> 1;
        if (wanted(key(middle))) high = middle;
        else low = middle + 1;
      }
      return low;
    };
    const { after = "", limit = 1000 } = options;
    const from = firstAt((text) => text > after && text >= prefix);
    const objects: ObjectInfo[] = [];
    for (let n = from; n < count && objects.length < limit && key(n).startsWith(prefix); n++)
      objects.push({ key: key(n), sizeBytes: 1, modifiedAtMs: 0 });
    const next = from + objects.length;
    return { objects, more: next < count && key(next).startsWith(prefix) };
  };
  const bucket: Bucket = {
    create: (key, bytes) => home.bucket.create(key, bytes),
    put: (key, bytes) => home.bucket.put(key, bytes),
    head: (key) => home.bucket.head(key),
    get: async (key) => (key.startsWith("manifests/") ? envelope(Number.parseInt(key.slice(10, 74), 16)) : home.bucket.get(key)),
    list: async (prefix, options = {}) => {
      if (prefix.startsWith("chunks/")) return listed(chunkKey, CHUNKS, prefix, options);
      return prefix === "manifests/" ? listed(envelopeKey, envelopes, prefix, options) : home.bucket.list(prefix, options);
    },
    async delete(keys) {
      deleted += keys.filter((key) => key.startsWith("chunks/")).length;
      await home.bucket.delete(keys);
    },
  };
  const store = {
    profile: home.profile,
    chunks: home.chunks,
    objects: home.objects,
    bucket,
    probed: () => home.probed(),
    probe: () => home.probe(),
    setup: () => home.setup(),
  };
  const living = new Proxy(ports.repositories, {
    get: (target, name) => (name === "envelopeFate" ? async () => ({ state: "living" }) : Reflect.get(target, name)),
  });
  return { ports: { repositories: living, stores: { home: store, all: () => [store], get: () => store } }, deleted: () => deleted };
}
