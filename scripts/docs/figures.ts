/** The figures of the two READMEs, from the newest results that are kept in docs/benchmarks. */
import { globSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { BenchFile, type Cell, type ScenarioReport } from "../bench/report.ts";
import { row, table } from "./table.ts";

const FOLDER = fileURLToPath(new URL("../../docs/benchmarks/", import.meta.url));

/** What a case of the bench is called in README, and what it verifies. */
const CASES: readonly [name: string, label: string, verifies: string][] = [
  ["ferry pull", "**`ferry pull`**", "SHA-256"],
  ["ferry push", "**`ferry push`**", "SHA-256"],
  ["rclone s3", "rclone", "MD5"],
  ["aws s3 cp --recursive", "`aws s3 cp`", ""],
  ["hf download", "`hf download`", ""],
  ["s5cmd", "s5cmd", ""],
  ["curl, many processes", "`curl` × 8", ""],
];

export type Words = { pull: string; push: string; small: string; verifies: string };

/** Tables of big files, pulled and pushed, and of many small ones. Throws Error when the results lack one of them. */
export function figuresText(words: Words): string {
  const scenarios = newest();
  const big = (name: string, act: string) => {
    const rows = casesOf(scenarios, name, act).map(({ label, verifies, cells: [speed, cpu] }) =>
      row([label, whole(speed), tenth(cpu), verifies]),
    );
    return rows;
  };
  const small = (act: string) => new Map(casesOf(scenarios, "small-files", act).map(({ label, cells: [ms] }) => [label, seconds(ms)]));
  const [pulled, pushed] = [small("pull"), small("push")];
  const labels = CASES.map(([, label]) => label).filter((label) => pulled.has(label) || pushed.has(label));
  return [
    table([words.pull, "MB/s", "CPU s/GiB", words.verifies], big("pull-big", "pull")),
    table([words.push, "MB/s", "CPU s/GiB", words.verifies], big("push-big", "push")),
    table(
      [words.small, ...labels],
      [row(["pull", ...labels.map((label) => pulled.get(label) ?? "")]), row(["push", ...labels.map((label) => pushed.get(label) ?? "")])],
    ),
  ].join("\n\n");
}

function newest(): ScenarioReport[] {
  const files = globSync("*.json", { cwd: FOLDER }).map((file) => BenchFile.parse(JSON.parse(readFileSync(FOLDER + file, "utf8"))));
  const whole = files.filter(({ scenarios }) =>
    ["pull-big", "push-big", "small-files"].every((name) => scenarios.some((one) => one.name === name)),
  );
  const last = whole.toSorted((a, b) => a.at.localeCompare(b.at)).at(-1);
  if (last === undefined) throw new Error("docs/benchmarks has no results of pull-big, push-big and small-files");
  return last.scenarios;
}

function casesOf(scenarios: readonly ScenarioReport[], name: string, title: string) {
  const found = scenarios.find((scenario) => scenario.name === name)?.tables.find((one) => one.title === title);
  return CASES.flatMap(([key, label, verifies]) => {
    const cells = found?.rows.find((one) => one.name === key)?.cells;
    return cells === undefined ? [] : [{ label, verifies, cells }];
  });
}

function figure(cell: Cell | undefined): number {
  const value = typeof cell === "object" && cell !== null ? cell.median : cell;
  if (typeof value !== "number") throw new Error("a case without its figure");
  return value;
}

const whole = (cell: Cell | undefined) => figure(cell).toFixed(0);
const tenth = (cell: Cell | undefined) => figure(cell).toFixed(1);
const seconds = (cell: Cell | undefined) => `${(figure(cell) / 1000).toFixed(1)} s`;
