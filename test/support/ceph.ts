/**
 * A real Ceph for tests, one cluster a machine: started by the script `ceph-rgw` that lies beside the repository, shared by every test
 * process that asks for it, and stopped by the last one. A Ceph that runs already is used when its settings are in the environment
 * (CEPH_S3_ENDPOINT, CEPH_S3_ACCESS_KEY, CEPH_S3_SECRET_KEY, CEPH_S3_REGION, as the script prints them).
 */
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { CreateBucketCommand, S3Client } from "@aws-sdk/client-s3";
import { findProgram } from "../../scripts/stack/child.ts";
import { freePort, isPortFree } from "../../scripts/stack/ports.ts";
import type { Store } from "../../scripts/stack/stores.ts";

export type CephSettings = { endpoint: string; region: string; accessKeyId: string; secretAccessKey: string };

export type Ceph = CephSettings & {
  /** A new, empty bucket as a store of the app. */
  makeStore(id: string): Promise<Store>;
  stop(): Promise<void>;
};

const SCRIPT = fileURLToPath(new URL("../../../shared/stores/ceph-rgw", import.meta.url));
const PROGRAMS = ["ceph", "ceph-mon", "ceph-mgr", "ceph-osd", "radosgw", "radosgw-admin", "ceph-authtool", "monmaptool"];
const MONITOR_PORT = 6789;
const START_TIMEOUT_MS = 180_000;
const START_ATTEMPTS = 3;

/** Shared by every test process of this machine's user. */
const folder = join(tmpdir(), "ferry-test-ceph");
const lock = join(folder, "lock");
const users = join(folder, "users");
const settingsFile = join(folder, "settings.json");

/** Why this machine can't run one at all, for `{ skip: whyNoCeph() }`; false when it can. */
export function whyNoCeph(): string | false {
  if (settingsFromEnvironment() !== null) return false;
  if (!existsSync(SCRIPT)) return "the script ceph-rgw is not beside the repository";
  const missing = PROGRAMS.filter((program) => findProgram(program) === null);
  return missing.length === 0 ? false : `Ceph is not installed: no ${missing.join(", ")}`;
}

/** Takes part in the machine's cluster, starting it when nobody has; or the reason why there is none, to be given to `skip`. */
export async function startCeph(): Promise<Ceph | { reason: string }> {
  const given = settingsFromEnvironment();
  if (given !== null) return cephOf(given, async () => {});
  const reason = whyNoCeph();
  if (reason !== false) return { reason };
  const user = `${process.pid}-${randomBytes(4).toString("hex")}`;
  return locked(async () => {
    const settings = await running();
    if ("reason" in settings) return settings;
    writeFileSync(join(users, user), "");
    return cephOf(settings, () => leave(user));
  });
}

/** Stops a cluster that nobody uses any more, unless the whole test run keeps it. */
export async function stopUnusedCeph(): Promise<void> {
  if (!existsSync(settingsFile)) return;
  await locked(async () => {
    for (const user of readdirSync(users)) if (!isAlive(Number.parseInt(user, 10))) rmSync(join(users, user), { force: true });
    if (readdirSync(users).length > 0) return;
    await down();
    rmSync(settingsFile, { force: true });
  });
}

async function leave(user: string): Promise<void> {
  rmSync(join(users, user), { force: true });
  // A run of many test files starts it once (scripts/test.ts).
  if (process.env["FERRY_TEST_CEPH"] !== "keep") await stopUnusedCeph();
}

/** The settings of our cluster, up. Only under the lock. */
async function running(): Promise<CephSettings | { reason: string }> {
  if (existsSync(settingsFile)) {
    const settings = JSON.parse(readFileSync(settingsFile, "utf8")) as CephSettings;
    if (await answers(settings.endpoint)) return settings;
    rmSync(settingsFile, { force: true });
  }
  // Its script would end a cluster of its own that is half there, but never somebody else's: then the port stays taken.
  let failed: { reason: string } = { reason: "it was not tried" };
  for (let attempt = 0; attempt < START_ATTEMPTS; attempt++) {
    await down();
    if (!(await isPortFree(MONITOR_PORT))) return { reason: `another Ceph runs on this machine (its monitor has port ${MONITOR_PORT})` };
    // A cluster that came up half leaves an identity which the next one would trip over ("wrong fsid").
    rmSync(join(folder, "cluster"), { recursive: true, force: true, maxRetries: 3 });
    const started = await up();
    if (!("reason" in started)) return started;
    failed = started;
  }
  return failed;
}

async function up(): Promise<CephSettings | { reason: string }> {
  const port = await freePort();
  try {
    const { stdout } = await promisify(execFile)(SCRIPT, ["up", String(port)], { env: scriptEnvironment(), timeout: START_TIMEOUT_MS });
    const exported = Object.fromEntries([...stdout.matchAll(/(CEPH_S3_[A-Z_]+)=(\S+)/g)].map(([, name, value]) => [name, value]));
    const settings = settingsFrom(exported);
    if (settings === null) return { reason: "ceph-rgw printed no settings" };
    writeFileSync(settingsFile, JSON.stringify(settings), { mode: 0o600 });
    return settings;
  } catch (error) {
    const log = join(folder, "cluster", "log", "up.log");
    const words = existsSync(log) ? readFileSync(log, "utf8").trim().split("\n").slice(-4).join(" | ") : String(error);
    await down();
    return { reason: `Ceph could not be started: ${words}` };
  }
}

async function down(): Promise<void> {
  await promisify(execFile)(SCRIPT, ["down"], { env: scriptEnvironment(), timeout: START_TIMEOUT_MS });
}

/** A folder of our own, so that a cluster that somebody started by hand is never touched. */
function scriptEnvironment(): NodeJS.ProcessEnv {
  return { ...process.env, CEPH_HOME: join(folder, "cluster") };
}

function settingsFromEnvironment(): CephSettings | null {
  return settingsFrom(process.env);
}

function settingsFrom(env: Record<string, string | undefined>): CephSettings | null {
  const { CEPH_S3_ENDPOINT: endpoint, CEPH_S3_ACCESS_KEY: accessKeyId, CEPH_S3_SECRET_KEY: secretAccessKey } = env;
  if (!endpoint || !accessKeyId || !secretAccessKey) return null;
  return { endpoint, accessKeyId, secretAccessKey, region: env["CEPH_S3_REGION"] ?? "us-east-1" };
}

function cephOf(settings: CephSettings, stop: () => Promise<void>): Ceph {
  return { ...settings, stop, makeStore: (id) => makeStore(settings, id) };
}

async function makeStore({ endpoint, region, accessKeyId, secretAccessKey }: CephSettings, id: string): Promise<Store> {
  const bucket = `ferry-test-${id}-${randomBytes(6).toString("hex")}`;
  const client = new S3Client({ endpoint, region, forcePathStyle: true, credentials: { accessKeyId, secretAccessKey } });
  await client.send(new CreateBucketCommand({ Bucket: bucket }));
  client.destroy();
  return { id, provider: "ceph", endpoint, region, bucket, addressing: "path", accessKeyId, secretAccessKey };
}

async function answers(endpoint: string): Promise<boolean> {
  const response = await fetch(endpoint, { signal: AbortSignal.timeout(5_000) }).catch(() => null);
  return response?.ok === true;
}

/** One test process at a time; a dead one's lock is taken over. */
async function locked<T>(act: () => Promise<T>): Promise<T> {
  mkdirSync(users, { recursive: true });
  for (const deadline = Date.now() + 2 * START_TIMEOUT_MS; !takeLock(); await sleep(100)) {
    if (Date.now() > deadline) throw new Error(`the lock ${lock} is held by another test process`);
  }
  try {
    return await act();
  } finally {
    rmSync(lock, { force: true });
  }
}

function takeLock(): boolean {
  try {
    writeFileSync(lock, String(process.pid), { flag: "wx" });
    return true;
  } catch {
    const holder = Number.parseInt(existsSync(lock) ? readFileSync(lock, "utf8") : "", 10);
    // An empty file is one that is being written now.
    if (Number.isInteger(holder) && !isAlive(holder)) rmSync(lock, { force: true });
    return false;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
