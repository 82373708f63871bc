/** Keeps results as a file: a run of other scenarios on the same machine adds to it. */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Machine, machineWords } from "./machine.ts";
import { BenchFile, type Cell, type ScenarioReport } from "./report.ts";

/** @param path a file, or a folder in which the file is named by date and machine. @returns the file */
export function keepResults(path: string, { at, machine, scenarios }: { at: Date; machine: Machine; scenarios: ScenarioReport[] }): string {
  const isFolder = statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
  const file = isFolder ? join(path, `${at.toISOString().slice(0, 10)}-${machineWords(machine)}.json`) : path;
  const known = existsSync(file) ? BenchFile.parse(JSON.parse(readFileSync(file, "utf8"))) : null;
  const isSame = known !== null && machineWords(known.machine) === machineWords(machine);
  const names = new Set(scenarios.map(({ name }) => name));
  const others = isSame ? known.scenarios.filter(({ name }) => !names.has(name)) : [];
  const kept: BenchFile = { v: 1, at: at.toISOString(), commit: commitOf(), machine, scenarios: [...others, ...scenarios.map(fitToKeep)] };
  writeFileSync(file, `${JSON.stringify(kept, null, 1)}\n`);
  return file;
}

/** Figures with the digits that mean something, and words that don't tell where things are on this machine. */
function fitToKeep(report: ScenarioReport): ScenarioReport {
  return {
    ...report,
    tables: report.tables.map((table) => ({ ...table, rows: table.rows.map(({ name, cells }) => ({ name, cells: cells.map(rounded) })) })),
    targets: report.targets.map((judged) => ({ ...judged, figure: judged.figure === null ? null : round(judged.figure) })),
    skipped: report.skipped.map((skipped) => ({ ...skipped, reason: withoutPlaces(skipped.reason) })),
    notes: report.notes.map(withoutPlaces),
  };
}

function rounded(cell: Cell): Cell {
  if (typeof cell === "number") return round(cell);
  if (cell === null || typeof cell === "string") return cell;
  return { median: round(cell.median), min: round(cell.min), max: round(cell.max) };
}

function round(value: number): number {
  return Number(value.toPrecision(4));
}

function withoutPlaces(text: string): string {
  return text.replaceAll(/(?:https?:\/\/|file:\/\/)\S+/g, "<url>").replaceAll(/(?:\/[\w.+@%~-]+)+/g, "<path>");
}

function commitOf(): string | null {
  const cwd = fileURLToPath(new URL("../..", import.meta.url));
  const git = (...args: string[]) => spawnSync("git", args, { cwd, encoding: "utf8" });
  const { status, stdout } = git("rev-parse", "--short=12", "HEAD");
  if (status !== 0) return null;
  const changed = git("status", "--porcelain", "--untracked-files=no", "--", "functions", "shared", "scripts").stdout !== "";
  return stdout.trim() + (changed ? "+" : "");
}
