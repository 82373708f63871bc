/**
 * The registry on workerd and on Node, from 64 callers at once: how many requests a second it answers and how soon, and whether its memory
 * grows over 100,000 of them. Its callers share the machine with it.
 */
import { MiB } from "../../../shared/units.ts";
import { type Act, ApiLanes } from "../api-lanes.ts";
import type { Lab } from "../lab.ts";
import { runCalls, runLoad } from "../load.ts";
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
/** Caches fill and heaps settle meanwhile. */
const SETTLED_SHARE = 0.4;
/** Of all requests that follow. */
const GROWTH_MAX_MIB = 16;

export const api: Scenario = {
  name: "api",
  summary: "resolve, reserve(500) and commit a second, from 64 callers, on Node and workerd; memory over 100,000 requests",
  async run(lab) {
    const requests = lab.options.requests;
    const speeds: Table[] = [];
    const memories: { runtime: string; samples: number[]; growthMib: number }[] = [];
    for (const runtime of RUNTIMES) {
      const registry = await lab.registry(await lab.store("http"), { runtime });
      const lanes = await ApiLanes.open(registry, LANES);
      speeds.push(await speedOf(lab, registry, lanes, runtime));
      memories.push({ runtime, ...(await memoryOf(lab, registry, lanes, requests)) });
      await lanes.close();
      await registry.stop();
    }
    const report: ScenarioReport = {
      name: "api",
      conditions: [
        `${LANES} callers`,
        `${RUN_MS / 1000} s each`,
        `${requests} requests for memory`,
        "callers, Redis and store on the same machine",
      ],
      tables: [...speeds, memoryTable(memories)],
      targets: memories.map(({ runtime, growthMib }): Judged => {
        const figure = Math.round(growthMib * 10) / 10;
        const target = `MiB that memory grows on ${runtime} over the last ${Math.round((1 - SETTLED_SHARE) * requests)} requests`;
        return { target, wanted: `at most ${GROWTH_MAX_MIB}`, figure, ok: figure <= GROWTH_MAX_MIB };
      }),
      skipped: [],
      notes: [
        "workerd reaches Redis by the local REST bridge, whose CPU is not in the column.",
        `The long run: of ${COMMIT_EVERY} calls 1 opens and commits, ${COMMIT_EVERY / RESERVE_EVERY} reserve 500 chunks, the others resolve; resident memory of the app's processes. Growth: the median slope between the samples after the first ${SETTLED_SHARE * 100} %.`,
      ],
    };
    return report;
  },
};

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

/** `samples`: resident MiB at the start and after each share of the calls. */
async function memoryOf(
  lab: Lab,
  registry: Registry,
  lanes: ApiLanes,
  requests: number,
): Promise<{ samples: number[]; growthMib: number }> {
  const each = Math.ceil(requests / SAMPLES);
  const samples = [residentTreeBytes(registry.appPid) / MiB];
  for (let sample = 0; sample < SAMPLES; sample++) {
    await runCalls((at, call) => lanes.act(actOf(sample * each + call), at), { lanes: LANES, calls: each });
    samples.push(residentTreeBytes(registry.appPid) / MiB);
  }
  const settled = samples.slice(Math.round(samples.length * SETTLED_SHARE));
  const growthMib = slopeOf(settled) * (settled.length - 1);
  lab.note(`memory: ${samples.map((mib) => mib.toFixed(0)).join(" ")} MiB`);
  return { samples, growthMib };
}

function actOf(call: number): Act {
  if (call % COMMIT_EVERY === 1) return "open and commit";
  return call % RESERVE_EVERY === 0 ? "reserve(500)" : "resolve";
}

function memoryTable(memories: readonly { runtime: string; samples: readonly number[]; growthMib: number }[]): Table {
  const at = (samples: readonly number[], share: number) => samples[Math.round((samples.length - 1) * share)] ?? null;
  return {
    title: "resident MiB after",
    columns: ["0 %", "25 %", "50 %", "75 %", "100 %", "growth, settled"],
    rows: memories.map(({ runtime, samples, growthMib }) => ({
      name: runtime,
      cells: [...[0, 0.25, 0.5, 0.75, 1].map((share) => at(samples, share)), growthMib],
    })),
  };
}
