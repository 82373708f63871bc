/** What scenarios of transfers begin with, and how they end. */
import { bytesText, counted } from "../../cli/text.ts";
import type { Store as AppStore } from "../../stack/stores.ts";
import { type Comparison, comparisonTable, judge, type Target } from "../compare.ts";
import { type Dataset, makeDataset } from "../data.ts";
import type { Lab } from "../lab.ts";
import type { Outcome } from "../measure/rounds.ts";
import type { ScenarioReport, Table } from "../report.ts";
import { NotHere } from "../scenario.ts";
import type { Scheme } from "../store.ts";
import type { Cases, Ground } from "../transfers.ts";

export type Wish = {
  scheme: Scheme;
  data: { count: number; sizeBytes: number };
  connections: number;
  place?: "memory" | "disk";
  /** Further stores of the registry. */
  others?: readonly AppStore[];
};

/** A dataset, a store and a registry. Throws NotHere when there is no such store. */
export async function makeGround(
  lab: Lab,
  { scheme, data: { count, sizeBytes }, connections, place = "memory", others = [] }: Wish,
): Promise<Ground> {
  const why = lab.whyNoStore(scheme);
  if (why !== null) throw new NotHere(why);
  const data = makeDataset(lab.folder("data"), { count, sizeBytes, seed: `${count} of ${sizeBytes}` });
  const store = await lab.store(scheme);
  const ferry = { program: await lab.ferry(), registry: await lab.registry(store, { others }), store };
  return { lab, ferry, data, place, connections };
}

/** How the dataset of `totalBytes` is cut when files should have `sizeBytes`, but be at least `atLeast`. */
export function cut(totalBytes: number, sizeBytes: number, atLeast: number): { count: number; sizeBytes: number } {
  const size = Math.max(1, Math.min(sizeBytes, Math.floor(totalBytes / atLeast)));
  return { count: Math.floor(totalBytes / size), sizeBytes: size };
}

export function dataText({ totalBytes, files }: Dataset): string {
  return `${bytesText(totalBytes)} in ${counted(files.length, "file")}`;
}

export function roundsText(lab: Lab): string {
  return counted(lab.rounds.rounds, "round");
}

/** The first case is ours. */
export function comparisonOf(title: string, { data }: Ground, { cases }: Cases, outcome: Outcome): Comparison {
  return { title, bytes: data.totalBytes, ours: cases[0]?.name ?? "", outcome };
}

export function reportOf(
  name: string,
  conditions: string[],
  compared: readonly { comparison: Comparison; cases: Cases; targets?: readonly Target[]; table?: Table }[],
): ScenarioReport {
  return {
    name,
    conditions,
    tables: compared.map(({ comparison, table }) => table ?? comparisonTable(comparison)),
    targets: compared.flatMap(({ comparison, targets = [] }) => targets.map((target) => judge(target, comparison.outcome))),
    skipped: unique(compared.flatMap(({ cases, comparison }) => [...cases.skipped, ...comparison.outcome.skipped])),
    notes: [],
  };
}

function unique(skipped: ScenarioReport["skipped"]): ScenarioReport["skipped"] {
  return [...new Map(skipped.map((each) => [`${each.case} ${each.reason}`, each])).values()];
}
