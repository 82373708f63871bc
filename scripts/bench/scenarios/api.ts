/**
 * The registry on workerd and on Node, from 64 callers at once: how many requests a second it answers and how soon, and whether what it
 * keeps in memory grows over 100,000 of them. Its callers share the machine with it.
 */
import { MiB } from "../../../shared/units.ts";
import { type Act, ApiLanes } from "../api-lanes.ts";
import type { Lab } from "../lab.ts";
import { runCalls, runLoad } from "../load.ts";
import { livingBytes } from "../measure/living.ts";
import { residentTreeBytes, treeCpuS } from "../measure/proc.ts";
import { slopeOf } from "../measure/stats.ts";
import type { Registry } from "../registry.ts";
import type { Judged, ScenarioReport, Table } from "../report.ts";
import type { Scenario } from "../scenario.ts";

const LANES = 64;
const WARM_UP_MS = 1500;
const RUN_MS = 5000;
const RUNTIMES = ["node", "workerd"] as const;
const ACTS: readonly Act[] = ["resolve", "reserve(500)", "open and commit"];
/** Of the long run: one in so many; all others resolve. */
const RESERVE_EVERY = 50;
const COMMIT_EVERY = 100;
const SAMPLES = 20;
/** Caches fill meanwhile. */
const SETTLED_SHARE = 0.5;
/** Of all requests that follow. */
const GROWTH_MAX_MIB = 16;
/** The app's own isolate among those of the stand. */
const ISOLATES = { node: /./, workerd: /core:user:/ } as const;

type Runtime = (typeof RUNTIMES)[number];
/** MiB at the start and after each share of the calls, each after a collection of garbage. `living`: in the app's heap; `resident`: of its processes. */
type Memory = { runtime: Runtime; living: number[]; resident: number[] };

export const api: Scenario = {
  name: "api",
  summary: "resolve, reserve(500) and commit a second, from 64 callers, on Node and workerd; memory over 100,000 requests",
  async run(lab) {
    const requests = lab.options.requests;
    const speeds: Table[] = [];
    const memories: Memory[] = [];
    for (const runtime of RUNTIMES) {
      await withLanes(lab, { runtime }, async (registry, lanes) => {
        speeds.push(await speedOf(lab, registry, lanes, runtime));
      });
    }
    for (const runtime of RUNTIMES) {
      await withLanes(lab, { runtime, inspect: true }, async (registry, lanes) => {
        memories.push(await memoryOf(lab, registry, lanes, { runtime, requests }));
      });
    }
    const report: ScenarioReport = {
      name: "api",
      conditions: [
        `${LANES} callers`,
        `${RUN_MS / 1000} s each`,
        `${requests} requests for memory`,
        "callers, Redis and store on the same machine",
      ],
      tables: [
        ...speeds,
        memoryTable("MiB alive in the app's heap after a collection", memories, "living"),
        memoryTable("resident MiB of its processes then", memories, "resident"),
      ],
      targets: [
        ...memories.map(({ runtime, living }) => judged(`MiB that what is alive grows by on ${runtime}`, growthOf(living), requests)),
        ...memories
          .filter(({ runtime }) => runtime === "node")
          .map(({ runtime, resident }) => judged(`MiB that resident memory grows by on ${runtime}`, growthOf(resident), requests)),
      ],
      skipped: [],
      notes: [
        "workerd reaches Redis by the local REST bridge, whose CPU is not in the column.",
        `The long run, on apps of its own: of ${COMMIT_EVERY} calls 1 opens and commits, ${COMMIT_EVERY / RESERVE_EVERY} reserve 500 chunks, the others resolve. Before each of the ${SAMPLES + 1} samples the app's heap is collected by its debugger. Growth: the slope by least squares through the samples after the first ${SETTLED_SHARE * 100} %, over all requests that follow.`,
        "Resident memory of workerd is that of the local stand, with miniflare's own isolates, in which garbage lies: nothing bounds them here. On Cloudflare an isolate has 128 MB.",
      ],
    };
    return report;
  },
};

async function withLanes(
  lab: Lab,
  options: { runtime: Runtime; inspect?: boolean },
  work: (registry: Registry, lanes: ApiLanes) => Promise<void>,
): Promise<void> {
  const registry = await lab.registry(await lab.store("http"), options);
  const lanes = await ApiLanes.open(registry, LANES);
  try {
    await work(registry, lanes);
  } finally {
    await lanes.close();
    await registry.stop();
  }
}

function judged(what: string, growthMib: number, requests: number): Judged {
  const figure = Math.round(growthMib * 10) / 10;
  const target = `${what} over the last ${Math.round((1 - SETTLED_SHARE) * requests)} requests`;
  return { target, wanted: `at most ${GROWTH_MAX_MIB}`, figure, ok: figure <= GROWTH_MAX_MIB };
}

async function speedOf(lab: Lab, registry: Registry, lanes: ApiLanes, runtime: string): Promise<Table> {
  const rows: Table["rows"] = [];
  for (const act of ACTS) {
    let cpuS = 0;
    const onWarm = () => {
      cpuS = treeCpuS(registry.appPid);
    };
    const load = await runLoad((at) => lanes.act(act, at), { lanes: LANES, warmUpMs: WARM_UP_MS, runMs: RUN_MS, onWarm });
    const cpuMs = ((treeCpuS(registry.appPid) - cpuS) * 1000) / Math.max(1, load.calls);
    lab.note(`${runtime}, ${act}: ${load.perSecond.toFixed(0)} a second`);
    rows.push({ name: act, cells: [load.perSecond, load.p50Ms, load.p99Ms, cpuMs] });
  }
  return { title: `on ${runtime}`, columns: ["a second", "p50 ms", "p99 ms", "app CPU ms each"], rows };
}

async function memoryOf(
  lab: Lab,
  { appPid, inspectorPort }: Registry,
  lanes: ApiLanes,
  { runtime, requests }: { runtime: Runtime; requests: number },
): Promise<Memory> {
  const memory: Memory = { runtime, living: [], resident: [] };
  const sample = async () => {
    memory.living.push((await livingBytes(inspectorPort ?? 0, ISOLATES[runtime])) / MiB);
    memory.resident.push(residentTreeBytes(appPid) / MiB);
  };
  const each = Math.ceil(requests / SAMPLES);
  await sample();
  for (let at = 0; at < SAMPLES; at++) {
    await runCalls((lane, call) => lanes.act(actOf(at * each + call), lane), { lanes: LANES, calls: each });
    await sample();
  }
  for (const kind of ["living", "resident"] as const)
    lab.note(`${runtime}, ${kind}: ${memory[kind].map((mib) => mib.toFixed(1)).join(" ")} MiB`);
  return memory;
}

/** @returns MiB, over the samples that count. */
function growthOf(samples: readonly number[]): number {
  const settled = samples.slice(Math.round(samples.length * SETTLED_SHARE));
  return slopeOf(settled) * (settled.length - 1);
}

function actOf(call: number): Act {
  if (call % COMMIT_EVERY === 1) return "open and commit";
  return call % RESERVE_EVERY === 0 ? "reserve(500)" : "resolve";
}

function memoryTable(title: string, memories: readonly Memory[], of: "living" | "resident"): Table {
  const at = (samples: readonly number[], share: number) => samples[Math.round((samples.length - 1) * share)] ?? null;
  return {
    title,
    columns: ["0 %", "25 %", "50 %", "75 %", "100 %", "growth, settled"],
    rows: memories.map((memory) => ({
      name: memory.runtime,
      cells: [...[0, 0.25, 0.5, 0.75, 1].map((share) => at(memory[of], share)), growthOf(memory[of])],
    })),
  };
}
