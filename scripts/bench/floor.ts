/**
 * The least time in which this machine could bring bytes and verify them, so that a missed target can be told from an impossible one: the
 * processor time of the cheapest transfer that verifies nothing, its servers' included, and that of hashing alone, with all cores busy from
 * the first moment to the last.
 */
import type { Comparison } from "./compare.ts";
import type { Measured } from "./measure/run-command.ts";
import { spreadOf } from "./measure/stats.ts";

export type FloorOf = {
  /** Cases that verify nothing. */
  raw: readonly string[];
  /** The case that only hashes. */
  hashing: string;
  cores: number;
};

/** A sentence; null when one of the cases did not run, or the system does not tell of processor time. */
export function floorNote({ ours, bytes, outcome: { runs } }: Comparison, { raw, hashing, cores }: FloorOf): string | null {
  const median = (name: string, figure: (run: Measured) => number | null): number | null => {
    const done = (runs.get(name) ?? []).filter((run) => run !== null);
    return spreadOf(done.flatMap((run) => figure(run) ?? []))?.median ?? null;
  };
  const costs = raw.flatMap((name) => {
    const cpuS = median(name, (run) => (run.cpuS === null ? null : run.cpuS + (run.serverCpuS ?? 0)));
    return cpuS === null ? [] : [{ name, cpuS }];
  });
  const [cheapest] = costs.sort((a, b) => a.cpuS - b.cpuS);
  const [hashS, wallS] = [median(hashing, ({ cpuS }) => cpuS), median(ours, (run) => run.wallS)];
  if (cheapest === undefined || hashS === null || wallS === null) return null;
  const floorS = (cheapest.cpuS + hashS) / cores;
  return (
    `bytes as cheap as by ${cheapest.name}, and hashed, take ${(cheapest.cpuS + hashS).toFixed(2)} s of processor time with their servers: ` +
    `on ${cores} cores never less than ${floorS.toFixed(2)} s, ${Math.round(bytes / 1e6 / floorS)} MB/s; ` +
    `${ours} reaches ${Math.round((100 * floorS) / wallS)} % of that`
  );
}
