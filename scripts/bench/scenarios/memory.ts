/**
 * Memory against the amount of data. The files are sparse: a few random bytes in each MiB make every chunk another, and the rest costs no
 * disk. Pushed bodies are thrown away by the store, or kept with their
 * holes; pulls are of a smaller amount, since a destination really holds it.
 */

import { randomBytes } from "node:crypto";
import { closeSync, ftruncateSync, mkdirSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { GiB, MiB } from "../../../shared/units.ts";
import { bytesText } from "../../cli/text.ts";
import { freeBytes } from "../folders.ts";
import type { Lab } from "../lab.ts";
import { type Command, type Measured, runMeasured } from "../measure/run-command.ts";
import { type Ferry, ferryCommand } from "../ours.ts";
import type { Judged, ScenarioReport } from "../report.ts";
import { NotHere, type Scenario } from "../scenario.ts";

const SIZE_BYTES = 100 * GiB;
const PEAK_MAX_BYTES = 512 * MiB;
const GROWTH_MAX_BYTES = 30 * MiB;
/** Of the large run: the small one of the pair that shows growth. */
const SMALL_PART = 4;
const FILE_BYTES = 4 * GiB;
const TENSOR_BYTES = 64 * MiB;
const MARK_BYTES = 16;
/** Of the disk's free space, where a pull really writes. */
const PULL_SHARE = 0.5;
const PULL_MAX_BYTES = 40 * GiB;

export const memory: Scenario = {
  name: "memory",
  summary: "peak memory of pushes and pulls, small and large",
  async run(lab) {
    if (lab.options.endpoint !== undefined) throw new NotHere("a real store would keep all of it");
    const store = await lab.store("http");
    const ferry = { program: await lab.ferry(), registry: await lab.registry(store), store };
    const pushBytes = lab.options.size ?? SIZE_BYTES;
    const pullBytes = Math.min(pushBytes, PULL_MAX_BYTES, PULL_SHARE * freeBytes(lab.folders.disk));
    const runs: Run[] = [];
    for (const sizeBytes of [pullBytes / SMALL_PART, pullBytes]) runs.push(await pullRun(lab, ferry, sizeBytes));
    await store.options.own?.discard([store.key("ferry/chunks/")]);
    for (const sizeBytes of [pushBytes / SMALL_PART, pushBytes]) runs.push(await pushRun(lab, ferry, sizeBytes));
    return report(runs);
  },
};

type Run = { verb: "push" | "pull"; sizeBytes: number; measured: Measured };

async function pushRun(lab: Lab, ferry: Ferry, sizeBytes: number): Promise<Run> {
  const source = sparseModel(lab.folder("sparse", "disk"), sizeBytes);
  const { repository, token } = await ferry.registry.makeRepository(`sparse-${Math.round(sizeBytes / MiB)}`);
  const command = ferryCommand(ferry, ["push", source, repository], { token, home: lab.folder("home", "disk") });
  const measured = await noted(lab, `push of ${bytesText(sizeBytes)}`, command, ferry.registry.pids);
  rmSync(source, { recursive: true });
  return { verb: "push", sizeBytes, measured };
}

async function pullRun(lab: Lab, ferry: Ferry, sizeBytes: number): Promise<Run> {
  const source = sparseModel(lab.folder("sparse", "disk"), sizeBytes);
  const { repository, token } = await ferry.registry.makeRepository(`pulled-${Math.round(sizeBytes / MiB)}`);
  await runMeasured(ferryCommand(ferry, ["push", source, repository], { token, home: lab.folder("home", "disk") }), []);
  rmSync(source, { recursive: true });
  const destination = lab.folder("destination", "disk");
  const command = ferryCommand(ferry, ["pull", repository, destination], { token, home: lab.folder("home", "disk") });
  const measured = await noted(lab, `pull of ${bytesText(sizeBytes)}`, command, ferry.registry.pids);
  rmSync(destination, { recursive: true });
  await ferry.store.remove("ferry/chunks/");
  return { verb: "pull", sizeBytes, measured };
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
    conditions: ["sparse safetensors files of 4 GiB", "HTTP", "1 run"],
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
    target: `growth of ${verb}'s memory with ${SMALL_PART} times the data, MiB`,
    wanted,
    figure,
    ok: figure === null ? null : figure <= GROWTH_MAX_BYTES / MiB,
  };
}

/** Safetensors files whose tensors are mostly holes. */
function sparseModel(folder: string, sizeBytes: number): string {
  mkdirSync(folder, { recursive: true });
  for (let at = 0, number = 0; at < sizeBytes; at += FILE_BYTES, number++) {
    writeSparse(join(folder, `model-${number}.safetensors`), Math.min(FILE_BYTES, sizeBytes - at));
  }
  return folder;
}

function writeSparse(path: string, sizeBytes: number): void {
  const tensors = Math.max(1, Math.floor(sizeBytes / TENSOR_BYTES));
  const tensorBytes = Math.floor(sizeBytes / tensors);
  const described = Array.from({ length: tensors }, (_, at) => [
    `layer.${at}.weight`,
    { dtype: "U8", shape: [tensorBytes], data_offsets: [at * tensorBytes, (at + 1) * tensorBytes] },
  ]);
  const text = JSON.stringify(Object.fromEntries(described));
  const header = Buffer.from(text.padEnd(Math.ceil(text.length / 8) * 8, " "));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  const file = openSync(path, "w");
  try {
    writeSync(file, Buffer.concat([length, header]));
    const begin = length.length + header.length;
    ftruncateSync(file, begin + tensors * tensorBytes);
    for (let at = 0; at < tensors * tensorBytes; at += MiB) writeSync(file, randomBytes(MARK_BYTES), 0, MARK_BYTES, begin + at);
  } finally {
    closeSync(file);
  }
}
