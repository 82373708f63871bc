/** How much CPU it costs to sign 10,000 chunk requests: our batch signer in each mode, next to the SDK's two ways, in workerd and Node. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "esbuild";
import { Miniflare } from "miniflare";
import { QUIET } from "../../stack/miniflare-settings.ts";
import { childrenOf, treeCpuS } from "../measure/proc.ts";
import type { Scenario } from "../scenario.ts";

const COUNT = 10_000;
const WARM_UPS = 2;
const ROUNDS = 3;

type Figure = { wallMs: number; cpuMs: number };
type Ways = Record<string, (count: number) => Promise<unknown>>;

/** A Worker may take some hundred milliseconds of CPU for a page of 500; this is for twenty of them. */
const WORKERD_CPU_MAX_MS = 150;
const JUDGED = "ticket payload";

export const presign: Scenario = {
  name: "presign",
  summary: `signing ${COUNT} chunk requests, in workerd and Node`,
  async run(lab) {
    const folder = lab.folder("presign", "disk");
    const ways = await nodeWays(folder);
    const inWorkerd = await measureWorkerd(folder, Object.keys(ways));
    const inNode = await measureNode(ways);
    const rows = Object.keys(ways).map((name) => ({ name, cells: [...cells(inWorkerd.get(name)), ...cells(inNode.get(name))] }));
    const figure = inWorkerd.get(JUDGED)?.cpuMs ?? null;
    return {
      name: "presign",
      conditions: [`${COUNT} requests`, `mean of ${ROUNDS} rounds`],
      tables: [{ title: "milliseconds", columns: ["workerd wall", "workerd CPU", "Node wall", "Node CPU"], rows }],
      targets: [
        {
          target: `CPU of '${JUDGED}' in workerd, ms`,
          wanted: `at most ${WORKERD_CPU_MAX_MS}`,
          figure,
          ok: figure === null ? null : figure <= WORKERD_CPU_MAX_MS,
        },
      ],
      skipped: [],
      notes: [],
    };
  },
};

async function nodeWays(folder: string): Promise<Ways> {
  const file = await bundle(folder, "node");
  const { WAYS } = (await import(pathToFileURL(file).href)) as { WAYS: Ways };
  return WAYS;
}

async function measureWorkerd(folder: string, ways: readonly string[]): Promise<Map<string, Figure>> {
  const contents = readFileSync(await bundle(folder, "workerd"), "utf8");
  const before = new Set(childrenOf(process.pid));
  const manifest = { mainModule: "presign.mjs", modules: { "presign.mjs": { type: "esm" as const, contents } } };
  const miniflare = new Miniflare({
    ...QUIET,
    port: 0,
    workers: [{ config: { name: "presign", compatibilityDate: "2026-11-01", manifest } }],
  });
  try {
    const url = await miniflare.ready;
    const pids = childrenOf(process.pid).filter((pid) => !before.has(pid));
    const ask = async (way: string): Promise<void> => {
      const answer = await fetch(`${url}?way=${encodeURIComponent(way)}&count=${COUNT}`);
      if (!answer.ok) throw new Error(`the Worker answered ${answer.status}: ${await answer.text()}`);
      await answer.text();
    };
    return await measure(ways, ask, () => pids.reduce((sum, pid) => sum + treeCpuS(pid) * 1000, 0));
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
    entryPoints: [fileURLToPath(new URL("../presign-worker.ts", import.meta.url))],
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

function cells(figure: Figure | undefined): (number | null)[] {
  return [figure?.wallMs ?? null, figure?.cpuMs ?? null];
}
