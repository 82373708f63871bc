/** The table at the end, and the same as JSON. */
import { writeFileSync } from "node:fs";
import type { Journal } from "./journal.ts";
import type { Options } from "./options.ts";

export type End = { seconds: number; orphans: number; missing: number; indexDifferences: string[] };

export function report(options: Options, journal: Journal, end: End): string {
  const { seed, hours, clients, runtime } = options;
  const { counts, faults, violations } = journal;
  const longestSeconds = Math.round(journal.longestMs / 100) / 10;
  const kept = journal.entries.filter(({ state }) => state === "kept").length;
  const figures = { seed, hours, clients, runtime, ...end, acknowledged: journal.entries.length, kept, longestSeconds, counts, faults };
  if (options.json !== null) writeFileSync(options.json, `${JSON.stringify({ at: new Date(), ...figures, violations }, null, 1)}\n`);
  const ends = {
    "revisions acknowledged": journal.entries.length,
    "of them kept to the end, all read back": kept,
    "longest that an act took, in seconds": longestSeconds,
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

function section(title: string, rows: Readonly<Record<string, number>>): string[] {
  return [`\n${title}`, ...Object.entries(rows).map(([name, value]) => `  ${name.padEnd(46)}${String(value).padStart(10)}`)];
}
