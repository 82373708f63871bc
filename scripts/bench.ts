/** `npm run bench`: ours against what users would pick instead, on this machine, by ratios. What it does and why: docs/benchmarks. */
import process from "node:process";
import { keepResults } from "./bench/keep.ts";
import { Lab } from "./bench/lab.ts";
import { describeMachine, type Machine } from "./bench/machine.ts";
import { isBetterInside, ownNetwork, runInside } from "./bench/network.ts";
import { type Options, parseOptions, USAGE } from "./bench/options.ts";
import { machineText, reportText } from "./bench/print.ts";
import type { ScenarioReport } from "./bench/report.ts";
import { NotHere, type Scenario } from "./bench/scenario.ts";
import { SCENARIOS } from "./bench/scenarios.ts";

async function main(): Promise<number> {
  const options = parseOptions(process.argv.slice(2));
  if (options.help) return say(USAGE);
  if (options.list) return say(SCENARIOS.map(({ name, summary }) => `${name.padEnd(22)}${summary}`).join("\n"));
  const scenarios = chosen(options.scenarios);
  if (!options["machine-network"] && options.endpoint === undefined && isBetterInside()) return runInside();
  const machine = describeMachine(ownNetwork());
  say(machineText(machine));
  const reports = await runAll(scenarios, options, machine);
  const isShort = reports.some(({ targets }) => targets.some(({ ok }) => ok === false));
  if (isShort) say("Some targets were missed.");
  return 0;
}

function chosen(names: readonly string[]): readonly Scenario[] {
  const unknown = names.filter((name) => !SCENARIOS.some((scenario) => scenario.name === name));
  if (unknown.length > 0) throw new Error(`there is no scenario ${unknown.join(", ")}; see --list`);
  return names.length === 0 ? SCENARIOS : SCENARIOS.filter(({ name }) => names.includes(name));
}

/** Results are kept after each scenario: a run of all takes its time, and may be stopped. */
async function runAll(scenarios: readonly Scenario[], options: Options, machine: Machine): Promise<ScenarioReport[]> {
  const lab = new Lab(options, (line) => process.stderr.write(`${line}\n`));
  const stop = (code: number) => void lab.end().finally(() => process.exit(code));
  process.once("SIGINT", () => stop(130));
  process.once("SIGTERM", () => stop(143));
  const reports: ScenarioReport[] = [];
  try {
    for (const scenario of scenarios) {
      reports.push(await runOne(scenario, lab));
      say(reportText(reports.at(-1) ?? notRun(scenario, "")));
      if (options.json !== undefined) keepResults(options.json, { at: new Date(), machine, scenarios: reports });
    }
  } finally {
    await lab.end();
  }
  return reports;
}

async function runOne(scenario: Scenario, lab: Lab): Promise<ScenarioReport> {
  lab.note(`\n${scenario.name}: ${scenario.summary}`);
  try {
    return await scenario.run(lab);
  } catch (error) {
    if (error instanceof NotHere) return notRun(scenario, error.message);
    throw error;
  } finally {
    await lab.close();
  }
}

function notRun({ name }: Scenario, reason: string): ScenarioReport {
  return { name, conditions: [], tables: [], targets: [], skipped: [{ case: name, reason }], notes: [] };
}

function say(text: string): number {
  process.stdout.write(`${text}\n`);
  return 0;
}

process.exitCode = await main().catch((error: unknown) => {
  process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`);
  return 1;
});
