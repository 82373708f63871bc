/** The table at the end, and the same as JSON. */
import { writeFileSync } from "node:fs";
import type { Journal } from "./journal.ts";
import type { Options } from "./options.ts";

export type End = { seconds: number; orphans: number; missing: number; indexDifferences: string[] };

/** Of what is done so far; `end` is there once all was read back. */
export function keepFigures(options: Options, journal: Journal, end: End | { seconds: number; underWay: true }): void {
  if (options.json === null) return;
  const { seed, clients, runtime, pauseMs, calmMs } = options;
  const { counts, faults, violations, wrong } = journal;
  const acts = { acknowledged: journal.entries.length, kept: keptOf(journal), longestSeconds: longestOf(journal), counts, faults };
  const figures = { at: new Date(), seed, clients, runtime, pauseMs, calmMs, ...end, wrong, ...acts, violations };
  writeFileSync(options.json, `${JSON.stringify(figures, null, 1)}\n`);
}

export function report(options: Options, journal: Journal, end: End): string {
  const { seed, clients, runtime } = options;
  const { counts, faults, violations, wrong } = journal;
  keepFigures(options, journal, end);
  const ends = {
    "revisions acknowledged": journal.entries.length,
    "of them kept to the end, all read back": keptOf(journal),
    "longest that an act took, in seconds": longestOf(journal),
    "of the acknowledged lost": wrong.lost,
    "of the acknowledged torn": wrong.torn,
    "of the acknowledged doubled": wrong.doubled,
    "orphans after two quiet cycles": end.orphans,
    "chunks missing": end.missing,
    "differences to an index from the bucket": end.indexDifferences.length,
    violations: violations.length,
  };
  return [
    `${clients} clients for ${Math.round(end.seconds)} s on ${runtime}, seed ${seed}`,
    ...section("acts", counts),
    ...section("faults", faults),
    ...section("end", ends),
    ...violations,
  ].join("\n");
}

function keptOf({ entries }: Journal): number {
  return entries.filter(({ state }) => state === "kept").length;
}

function longestOf({ longestMs }: Journal): number {
  return Math.round(longestMs / 100) / 10;
}

function section(title: string, rows: Readonly<Record<string, number>>): string[] {
  return [`\n${title}`, ...Object.entries(rows).map(([name, value]) => `  ${name.padEnd(46)}${String(value).padStart(10)}`)];
}
