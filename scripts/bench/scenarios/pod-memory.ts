/**
 * Peak memory of an init container of a large model, without an agent and by way of one. The model is sparse where it comes from, and goes
 * where it is brought to, so that a disk has to hold it once, in the agent's cache, and what is on its way.
 */
import { rmSync } from "node:fs";
import { GiB, MiB } from "../../../shared/units.ts";
import { startAgent } from "../agent.ts";
import { peakTreeBytes } from "../measure/proc.ts";
import { type Measured, runMeasured } from "../measure/run-command.ts";
import { ferryCommand } from "../ours.ts";
import { Pod } from "../pod.ts";
import type { Judged, ScenarioReport } from "../report.ts";
import { NotHere, type Scenario } from "../scenario.ts";
import { reaping, sparseModel } from "../sparse.ts";

const SIZE_BYTES = 20 * GiB;
const RSS_MAX_MIB = 256;

export const podMemory: Scenario = {
  name: "pod-memory",
  summary: "peak memory of an init container of a large model, without an agent and with one",
  async run(lab) {
    if (lab.options.endpoint !== undefined) throw new NotHere("it is about this machine alone");
    const store = await lab.store("http");
    const ferry = { program: await lab.ferry(), registry: await lab.registry(store), store };
    const sizeBytes = lab.options.size ?? SIZE_BYTES;
    const source = sparseModel(lab.folder("sparse", "disk"), sizeBytes);
    const { repository, token } = await ferry.registry.makeRepository("pod");
    await runMeasured(ferryCommand(ferry, ["push", source, repository], { token, home: lab.folder("home", "disk") }), []);
    const { child, socket } = await startAgent(ferry, lab.folder("agent", "disk"));
    lab.onClose(() => child.stop());
    const pod = new Pod(lab, ferry);
    const runs: { name: string; measured: Measured }[] = [];
    for (const [name, agent] of [
      ["without an agent", "off"],
      ["by way of an agent, cold", socket],
      ["by way of an agent, warm", socket],
    ] as const) {
      const destination = lab.folder("destination", "disk");
      const command = pod.command({ repository, token, destination, agent });
      const measured = await reaping(destination, () => runMeasured(command, ferry.registry.pids));
      rmSync(destination, { recursive: true });
      lab.note(`${name}: ${measured.wallS.toFixed(1)} s, peak ${Math.round((measured.peakBytes ?? 0) / MiB)} MiB`);
      runs.push({ name, measured });
    }
    return report(sizeBytes, runs, peakTreeBytes(child.pid));
  },
};

function report(sizeBytes: number, runs: readonly { name: string; measured: Measured }[], agentBytes: number): ScenarioReport {
  const judged = (target: string, bytes: number | null): Judged => {
    const figure = bytes === null ? null : bytes / MiB;
    return { target, wanted: `at most ${RSS_MAX_MIB}`, figure, ok: figure === null ? null : figure <= RSS_MAX_MIB };
  };
  return {
    name: "pod-memory",
    conditions: ["sparse safetensors files of 1 GiB", "HTTP", "pulled files are removed when they are whole", "1 run"],
    tables: [
      {
        title: "init container",
        columns: ["GiB", "MB/s", "RSS MiB"],
        rows: runs.map(({ name, measured }) => ({
          name,
          cells: [
            sizeBytes / GiB,
            sizeBytes / 1e6 / measured.wallS,
            measured.peakBytes === null ? null : Math.round(measured.peakBytes / MiB),
          ],
        })),
      },
    ],
    targets: [
      ...runs.map(({ name, measured }) => judged(`memory of an init container ${name}, MiB`, measured.peakBytes)),
      judged("memory of the agent, MiB", agentBytes),
    ],
    skipped: [],
    notes: [],
  };
}
