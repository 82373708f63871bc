/** How much CPU it costs to sign 10,000 chunk requests: our batch signer in each mode, next to the SDK's two ways, in workerd and Node. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "esbuild";
import { Miniflare } from "miniflare";
import { QUIET } from "../stack/miniflare-settings.ts";

const COUNT = 10_000;
const WARM_UPS = 2;
const ROUNDS = 3;
/** Ticks of /proc/<pid>/stat: Linux counts 100 a second for everybody. */
const TICK_MS = 10;

type Figure = { wallMs: number; cpuMs: number };
type Ways = Record<string, (count: number) => Promise<unknown>>;

/** Prints one row a way. Fails when nothing could be measured; the bound of 150 ms is for the reader to see. */
export async function run(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "ferry-presign-"));
  try {
    const ways = await nodeWays(folder);
    const inWorkerd = await measureWorkerd(folder, Object.keys(ways));
    const inNode = await measureNode(ways);
    console.log(`Signing ${COUNT} requests, mean of ${ROUNDS} rounds, milliseconds`);
    console.log(row("", ["workerd wall", "workerd CPU", "Node wall", "Node CPU"]));
    for (const way of Object.keys(ways)) console.log(row(way, [...cells(inWorkerd.get(way)), ...cells(inNode.get(way))]));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function nodeWays(folder: string): Promise<Ways> {
  const file = await bundle(folder, "node");
  const { WAYS } = (await import(pathToFileURL(file).href)) as { WAYS: Ways };
  return WAYS;
}

async function measureWorkerd(folder: string, ways: readonly string[]): Promise<Map<string, Figure>> {
  const contents = readFileSync(await bundle(folder, "workerd"), "utf8");
  const before = new Set(childProcesses());
  const manifest = { mainModule: "presign.mjs", modules: { "presign.mjs": { type: "esm" as const, contents } } };
  const miniflare = new Miniflare({
    ...QUIET,
    port: 0,
    workers: [{ config: { name: "presign", compatibilityDate: "2026-11-01", manifest } }],
  });
  try {
    const url = await miniflare.ready;
    const pids = childProcesses().filter((pid) => !before.has(pid));
    const ask = async (way: string): Promise<void> => {
      const answer = await fetch(`${url}?way=${encodeURIComponent(way)}&count=${COUNT}`);
      if (!answer.ok) throw new Error(`the Worker answered ${answer.status}: ${await answer.text()}`);
      await answer.text();
    };
    return await measure(ways, ask, () => pids.map(cpuMsOf).reduce((sum, ms) => sum + ms, 0));
  } finally {
    await miniflare.dispose();
  }
}

function measureNode(ways: Ways): Promise<Map<string, Figure>> {
  const cpuMs = (): number => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1000;
  };
  return measure(Object.keys(ways), async (way) => ways[way]?.(COUNT), cpuMs);
}

async function measure(ways: readonly string[], act: (way: string) => Promise<unknown>, cpuMs: () => number): Promise<Map<string, Figure>> {
  const figures = new Map<string, Figure>();
  for (const way of ways) {
    for (let round = 0; round < WARM_UPS; round++) await act(way);
    const [wallStart, cpuStart] = [performance.now(), cpuMs()];
    for (let round = 0; round < ROUNDS; round++) await act(way);
    figures.set(way, { wallMs: (performance.now() - wallStart) / ROUNDS, cpuMs: (cpuMs() - cpuStart) / ROUNDS });
  }
  return figures;
}

async function bundle(folder: string, runtime: "node" | "workerd"): Promise<string> {
  const outfile = join(folder, `${runtime}.mjs`);
  await build({
    entryPoints: [fileURLToPath(new URL("presign-worker.ts", import.meta.url))],
    bundle: true,
    format: "esm",
    target: "es2024",
    outfile,
    logLevel: "error",
    ...(runtime === "node"
      ? { platform: "node", banner: { js: 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);' } }
      : { platform: "browser", conditions: ["workerd", "worker", "browser"], external: ["node:*"] }),
  });
  return outfile;
}

/** Process ids of our children; none where there is no /proc, so that the CPU of workerd stays 0 there. */
function childProcesses(): number[] {
  try {
    return readdirSync("/proc")
      .map(Number)
      .filter((pid) => Number.isInteger(pid) && Number(statOf(pid)[1]) === process.pid);
  } catch {
    return [];
  }
}

function cpuMsOf(pid: number): number {
  const [userTicks, systemTicks] = statOf(pid).slice(11, 13).map(Number);
  return ((userTicks ?? 0) + (systemTicks ?? 0)) * TICK_MS;
}

/** Fields of /proc/<pid>/stat from the third on: state, parent, … (the second, in brackets, may hold spaces). */
function statOf(pid: number): string[] {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  } catch {
    return [];
  }
}

function cells(figure: Figure | undefined): string[] {
  return [figure?.wallMs, figure?.cpuMs].map((ms) => (ms === undefined ? "-" : ms.toFixed(0)));
}

function row(name: string, values: readonly string[]): string {
  return name.padEnd(24) + values.map((value) => value.padStart(14)).join("");
}

if (import.meta.main) await run();
