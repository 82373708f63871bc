/**
 * How long a rebuild of the index takes: revisions and chunk entries seeded as files of a store, an empty Redis, and `ferry rebuild`'s
 * own calls. `node scripts/bench/rebuild.ts [revisions] [chunks of each]`, by default 10,000 and 100.
 */
import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FerryClient } from "../../shared/client.ts";
import type { RebuildRun } from "../../shared/contract/recovery.ts";
import { makeToken } from "../../shared/token.ts";
import { startNodeServer } from "../stack/node-server.ts";
import { startRedis } from "../stack/redis.ts";
import { storeVars } from "../stack/stores.ts";
import { seedFiles } from "./rebuild-seed.ts";
import { S3Server } from "./s3/server.ts";

const REPOSITORIES = 100;
const TARGET_SECONDS = 60;
const BUCKET = "bench";
/** Orders to the store's process, of so many objects. */
const PAGE = 5_000;

type Stops = (() => Promise<void>)[];

async function main(): Promise<void> {
  const [revisions = 10_000, chunks = 100] = process.argv.slice(2).map(Number);
  const home = mkdtempSync(join(tmpdir(), "ferry-rebuild-"));
  const stops: Stops = [async () => rmSync(home, { recursive: true, force: true })];
  try {
    await measure({ home, revisions, chunks, stops });
  } finally {
    for (const stop of stops.reverse()) await stop();
  }
}

async function measure({ home, revisions, chunks, stops }: { home: string; revisions: number; chunks: number; stops: Stops }) {
  const { store, keys } = await startStore(home, stops);
  const seeded = await timed(() => seed(store, { folder: join(home, "seed"), revisions, chunks }));
  console.log(
    `seeded ${seeded.result} objects of ${revisions} revisions in ${REPOSITORIES} repositories in ${seeded.seconds.toFixed(1)} s`,
  );
  const redis = await startRedis({ home });
  stops.push(redis.stop);
  const token = makeToken(randomBytes(32));
  const vars = { ...storeVars([keys]), FERRY_SECRET: randomBytes(32).toString("base64url"), BOOTSTRAP_TOKEN: token };
  const app = await startNodeServer({ home, vars, redisUrl: redis.url });
  stops.push(app.stop);
  const client = new FerryClient({ endpoint: app.url, token, fetch, sleep: async () => {}, random: Math.random });
  const first = await timed(() => rebuild(client));
  report("an empty index", first, TARGET_SECONDS);
  report("the same, now whole", await timed(() => rebuild(client)), null);
  console.log(`memory of the app at most ${peakMiB(app.child.pid)} MiB`);
  const { healedRecords, entries } = first.result;
  if (healedRecords !== revisions + REPOSITORIES || entries !== revisions * chunks || first.seconds > TARGET_SECONDS) process.exitCode = 1;
}

async function startStore(home: string, stops: Stops) {
  const folder = join(home, "store");
  mkdirSync(folder);
  const accessKeyId = randomBytes(10).toString("hex").toUpperCase();
  const store = await S3Server.start({ folder, logFile: join(home, "store.log"), bucket: BUCKET, accessKeyId, tls: null });
  stops.push(() => store.stop());
  const endpoint = `http://127.0.0.1:${store.port}`;
  const secretAccessKey = randomBytes(20).toString("hex");
  const place = { id: "home", provider: "s3", endpoint, region: "bench-1", bucket: BUCKET, addressing: "path" as const };
  return { store, keys: { ...place, accessKeyId, secretAccessKey } };
}

async function seed(store: S3Server, options: { folder: string; revisions: number; chunks: number }): Promise<number> {
  const files = seedFiles({ ...options, repositories: REPOSITORIES });
  for (let at = 0; at < files.length; at += PAGE) await store.adopt(files.slice(at, at + PAGE));
  return files.length;
}

async function rebuild(client: FerryClient): Promise<RebuildRun> {
  let { run } = await client.call("startRebuild", {});
  while (run !== null && run.phase !== "done") ({ run } = await client.call("stepRebuild", {}));
  if (run === null) throw new Error("the index remembers no rebuild");
  return run;
}

function report(of: string, { seconds, result }: { seconds: number; result: RebuildRun }, targetSeconds: number | null): void {
  const { healedRecords, entries, revisions, passes } = result;
  const target = targetSeconds === null ? "" : ` (target: under ${targetSeconds} s)`;
  console.log(`${of}: ${seconds.toFixed(1)} s${target}; ${healedRecords} records applied in ${passes} passes,`);
  console.log(`  ${entries} entries added for ${revisions} revisions; damaged: ${result.damaged.join("; ") || "nothing"}`);
}

async function timed<T>(work: () => Promise<T>): Promise<{ seconds: number; result: T }> {
  const beganMs = performance.now();
  const result = await work();
  return { seconds: (performance.now() - beganMs) / 1000, result };
}

function peakMiB(pid: number): number {
  const [, kib = "0"] = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  return Math.round(Number(kib) / 1024);
}

await main();
