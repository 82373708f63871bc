/**
 * Memory against the amount of data. The files are sparse: a few random bytes in each MiB make every chunk another, and the rest costs no
 * disk, neither where they are pushed from nor in the store. What is pulled has no holes, so a file is removed as soon as it has its name,
 * and what is on its way, a file of 1 GiB for each connection, lies on the disk: memory would not hold it.
 */
import { rmSync } from "node:fs";
import { GiB, MiB } from "../../../shared/units.ts";
import { bytesText } from "../../cli/text.ts";
import type { Lab } from "../lab.ts";
import { type Command, type Measured, runMeasured } from "../measure/run-command.ts";
import { type Ferry, ferryCommand } from "../ours.ts";
import type { Judged, ScenarioReport } from "../report.ts";
import { NotHere, type Scenario } from "../scenario.ts";
import { reaping, sparseModel } from "../sparse.ts";

const SIZE_BYTES = 100 * GiB;
const PEAK_MAX_BYTES = 512 * MiB;
const GROWTH_MAX_BYTES = 30 * MiB;
/** Of the largest run: the two that show growth, one four times the other, and itself. */
const SHARES = [0.1, 0.4, 1];
const GROWTH_TIMES = 4;

export const memory: Scenario = {
  name: "memory",
  summary: "peak memory of pushes and pulls, small and large",
  async run(lab) {
    if (lab.options.endpoint !== undefined) throw new NotHere("a real store would keep all of it");
    const store = await lab.store("http");
    const ferry = { program: await lab.ferry(), registry: await lab.registry(store), store };
    const largestBytes = lab.options.size ?? SIZE_BYTES;
    const runs: Run[] = [];
    for (const share of SHARES) runs.push(...(await pair(lab, ferry, largestBytes * share)));
    return report(runs);
  },
};

type Run = { verb: "push" | "pull"; sizeBytes: number; measured: Measured };

/** Pushes so much, and pulls it. */
async function pair(lab: Lab, ferry: Ferry, sizeBytes: number): Promise<Run[]> {
  const source = sparseModel(lab.folder("sparse", "disk"), sizeBytes);
  const { repository, token } = await ferry.registry.makeRepository(`sparse-${Math.round(sizeBytes / MiB)}`);
  const run = (verb: Run["verb"], args: readonly string[]) => {
    const command = ferryCommand(ferry, [verb, ...args], { token, home: lab.folder("home", "disk") });
    return noted(lab, `${verb} of ${bytesText(sizeBytes)}`, command, ferry.registry.pids);
  };
  const pushed = await run("push", [source, repository]);
  const destination = lab.folder("destination", "disk");
  const pulled = await reaping(destination, () => run("pull", [repository, destination]));
  for (const folder of [source, destination]) rmSync(folder, { recursive: true });
  await ferry.store.remove("ferry/chunks/");
  return [
    { verb: "push", sizeBytes, measured: pushed },
    { verb: "pull", sizeBytes, measured: pulled },
  ];
}

async function noted(lab: Lab, what: string, command: Command, servers: readonly number[]): Promise<Measured> {
  const measured = await runMeasured(command, servers);
  lab.note(`${what}: ${measured.wallS.toFixed(1)} s, peak ${bytesText(measured.peakBytes ?? 0)}`);
  return measured;
}

function report(runs: readonly Run[]): ScenarioReport {
  const rows = runs.map(({ verb, sizeBytes, measured }) => ({
    name: `ferry ${verb}`,
    cells: [sizeBytes / GiB, sizeBytes / 1e6 / measured.wallS, measured.peakBytes === null ? null : Math.round(measured.peakBytes / MiB)],
  }));
  const peaks = runs.flatMap(({ measured }) => measured.peakBytes ?? []);
  const largest = peaks.length === 0 ? null : Math.max(...peaks) / MiB;
  const targets: Judged[] = [
    {
      target: "peak memory, MiB",
      wanted: `at most ${PEAK_MAX_BYTES / MiB}`,
      figure: largest,
      ok: largest === null ? null : largest <= PEAK_MAX_BYTES / MiB,
    },
    ...(["push", "pull"] as const).map((verb) => growth(verb, runs)),
  ];
  return {
    name: "memory",
    conditions: ["sparse safetensors files of 1 GiB", "HTTP", "pulled files are removed when they are whole", "1 run"],
    tables: [{ title: "run", columns: ["GiB", "MB/s", "RSS MiB"], rows }],
    targets,
    skipped: [],
    notes: [],
  };
}

function growth(verb: "push" | "pull", runs: readonly Run[]): Judged {
  const [small, large] = runs.filter((run) => run.verb === verb).map(({ measured }) => measured.peakBytes);
  const figure = small == null || large == null ? null : (large - small) / MiB;
  const wanted = `at most ${GROWTH_MAX_BYTES / MiB}`;
  return {
    target: `growth of ${verb}'s memory with ${GROWTH_TIMES} times the data, MiB`,
    wanted,
    figure,
    ok: figure === null ? null : figure <= GROWTH_MAX_BYTES / MiB,
  };
}
