/**
 * `npm test`: brings redis-server, then runs every test file, three at a time. `npm test -- contract bridge` runs the files whose path
 * has one of the words; `npm test -- --name=PATTERN` only the tests whose name matches. Ends with `N passed, N failed, N skipped`.
 *
 * Tests with real processes share the machine with each other, and may fail for want of time. A file of them that failed is run once more,
 * alone, when all others are through: what fails then is counted, and what does not is told.
 */
import { globSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { run } from "node:test";
import { spec } from "node:test/reporters";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { stopUnusedCeph } from "../test/support/ceph.ts";
import { buildFerry } from "./build.ts";
import { StackProblem } from "./stack/problem.ts";
import { ensureRedisServer } from "./stack/redis-install.ts";

type Counts = { passed: number; failed: number; skipped: number };
/** `failures`: by file, where there were any. `durationsMs`: by file. */
type Run = { counts: Counts; failures: Map<string, number>; durationsMs: Map<string, number> };

const ROOT = fileURLToPath(new URL("..", import.meta.url));
/** Quick ones first, so that a plain mistake is seen at once. */
const KINDS = ["unit", "models", "contract", "edge", "faults", "e2e", "browser"];
/** On two cores: many wait for processes that they started. */
const FILES_AT_ONCE = 3;
/** Their tests start processes, and wait for them. */
const CROWDED_KINDS = ["contract", "edge", "faults", "e2e", "browser"];
/** More have a reason in common. */
const AGAIN_MAX = 5;
/** Files whose time is told. */
const SLOWEST = 20;
const TEST_TIMEOUT_MS = 180_000;
const FILE_TIMEOUT_MS = 600_000;

async function main(): Promise<number> {
  const { positionals, values } = parseArgs({ allowPositionals: true, options: { name: { type: "string", multiple: true } } });
  const files = filesOf(positionals);
  if (files.length === 0) {
    console.error(`No test file's path has ${positionals.join(" or ")}.`);
    return 1;
  }
  bringRedis();
  const folder = mkdtempSync(join(tmpdir(), "ferry-test-run-"));
  const program = join(folder, "ferry.mjs");
  await buildFerry(program);
  // Read by the tests' processes: one Ceph for the whole run, one probe of each kind of store, the program as it is shipped, which starts
  // by a third of the CPU; no look-ups, no questions.
  const shared = { FERRY_TEST_CEPH: "keep", FERRY_TEST_PROBES: folder, FERRY_TEST_PROGRAM: program };
  Object.assign(process.env, shared, { CLOUDFLARE_CF_FETCH_ENABLED: "false", WRANGLER_SEND_METRICS: "false" });
  // Many hundreds of processes read the same files: Node keeps what it made of them.
  process.env["NODE_COMPILE_CACHE"] ??= join(ROOT, "node_modules", ".cache", "node-code");
  try {
    const counts = await runAll(files, values.name);
    console.log(`${counts.passed} passed, ${counts.failed} failed${counts.skipped > 0 ? `, ${counts.skipped} skipped` : ""}`);
    return counts.failed === 0 && counts.passed > 0 ? 0 : 1;
  } finally {
    await stopUnusedCeph();
    rmSync(folder, { recursive: true, force: true });
  }
}

function filesOf(words: readonly string[]): string[] {
  const files = KINDS.flatMap((kind) => globSync(`test/${kind}/**/*.test.ts`, { cwd: ROOT }).sort());
  const wanted = words.map((word) => (word.startsWith("/") ? relative(ROOT, word) : word));
  return wanted.length === 0 ? files : files.filter((file) => wanted.some((word) => file.includes(word)));
}

/** Tests that need it are skipped with the reason when it can't be had. */
function bringRedis(): void {
  try {
    ensureRedisServer((line) => console.log(line));
  } catch (error) {
    if (!(error instanceof StackProblem)) throw error;
    console.error(error.message);
  }
}

async function runAll(files: string[], names: string[] | undefined): Promise<Counts> {
  const isCrowded = (file: string) => CROWDED_KINDS.some((kind) => file.startsWith(`test/${kind}/`));
  const runs = [
    await runFiles(
      files.filter((file) => !isCrowded(file)),
      names,
      { atOnce: FILES_AT_ONCE, forceExit: false },
    ),
    await runFiles(files.filter(isCrowded), names, { atOnce: FILES_AT_ONCE, forceExit: true }),
  ];
  const { counts, failures, durationsMs } = runs.reduce(joined);
  tellSlowest(durationsMs);
  const again = [...failures.keys()].filter(isCrowded);
  if (files.length === 1 || again.length === 0 || again.length > AGAIN_MAX) return counts;
  console.log(`\nOnce more, alone: ${again.join(", ")}`);
  const alone = await runFiles(again, names, { atOnce: 1, forceExit: true });
  const before = again.reduce((sum, file) => sum + (failures.get(file) ?? 0), 0);
  const passedAlone = Math.max(0, before - alone.counts.failed);
  console.log(`Of ${before} failures beside other tests, ${alone.counts.failed} stay.`);
  return { ...counts, passed: counts.passed + passedAlone, failed: counts.failed - passedAlone };
}

function joined(a: Run, b: Run): Run {
  const sum = (key: keyof Counts) => a.counts[key] + b.counts[key];
  return {
    counts: { passed: sum("passed"), failed: sum("failed"), skipped: sum("skipped") },
    failures: new Map([...a.failures, ...b.failures]),
    durationsMs: new Map([...a.durationsMs, ...b.durationsMs]),
  };
}

/**
 * `forceExit`: a test of real processes that timed out may leave something running, which must not hold up the file. A process that is ended
 * so may lose what it had still to report of tests that passed, so files that start nothing end by themselves.
 */
type How = { atOnce: number; forceExit: boolean };

async function runFiles(files: string[], names: string[] | undefined, { atOnce, forceExit }: How): Promise<Run> {
  const abort = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => abort.abort());
  const counts: Counts = { passed: 0, failed: 0, skipped: 0 };
  const failures = new Map<string, number>();
  const durationsMs = new Map<string, number>();
  if (files.length === 0) return { counts, failures, durationsMs };
  const events = run({
    cwd: ROOT,
    files,
    concurrency: atOnce,
    timeout: FILE_TIMEOUT_MS,
    execArgv: [`--test-timeout=${TEST_TIMEOUT_MS}`, ...(forceExit ? ["--test-force-exit"] : [])],
    signal: abort.signal,
    ...(names === undefined ? {} : { testNamePatterns: names.map((name) => new RegExp(name)) }),
  });
  events.on("test:summary", ({ file, duration_ms, counts: { passed, skipped, tests, todo } }) => {
    const failed = tests - passed - skipped - todo;
    // The last one, without a file, sums up all of them.
    if (file === undefined) return void Object.assign(counts, { passed, skipped, failed });
    durationsMs.set(relative(ROOT, file), duration_ms);
    if (failed > 0) failures.set(relative(ROOT, file), failed);
  });
  for await (const text of events.compose(new spec())) process.stdout.write(text);
  return { counts, failures, durationsMs };
}

/** Where the time of a run goes, for whoever wants it shorter. */
function tellSlowest(durationsMs: ReadonlyMap<string, number>): void {
  if (durationsMs.size <= SLOWEST) return;
  const slowest = [...durationsMs].sort(([, a], [, b]) => b - a).slice(0, SLOWEST);
  console.log(`\nLongest: ${slowest.map(([file, ms]) => `${file} ${Math.round(ms / 1000)} s`).join(", ")}`);
}

process.exit(await main());
