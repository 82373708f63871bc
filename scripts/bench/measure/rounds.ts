/**
 * Runs cases against one another: a warm-up of each, whose contents are verified, then rounds in which every case runs once, in an order
 * drawn anew. Ratios are made within a round, so that what changes slowly on the machine touches both sides.
 */
import { type Command, type Measured, runMeasured } from "./run-command.ts";
import { shuffled } from "./stats.ts";

/** One way of doing the scenario's work. */
export type Case = {
  name: string;
  /** Makes everything ready that shall not be measured. */
  prepare(): Promise<Prepared>;
};

export type Prepared = {
  command: Command;
  /** Processes that serve it. */
  servers: readonly number[];
  /** Looks at every byte of what it did. Throws when it is wrong. */
  verify(measured: Measured): Promise<void>;
  /** Looks quickly, after every run. Throws when it is wrong. */
  check(measured: Measured): Promise<void>;
  clear(): Promise<void>;
};

export type Skipped = { case: string; reason: string };

export type RoundsOptions = {
  rounds: number;
  /** A run with more foreign CPU than this share is repeated. */
  foreignMax: number;
  /** What names of cases begin with that are not wanted. */
  without: readonly string[];
  random: () => number;
  /** Runs between the warm-ups and the rounds. */
  beforeRounds?: () => Promise<void>;
  /** Told of each run. */
  note: (line: string) => void;
};

/** Runs of each case, one a round; `null`: it failed in that round. */
export type Runs = ReadonlyMap<string, readonly (Measured | null)[]>;

export type Outcome = { runs: Runs; skipped: Skipped[] };

const REPEATS_MAX = 3;

/** A case whose warm-up fails is skipped with its own words. */
export async function runRounds(cases: readonly Case[], options: RoundsOptions): Promise<Outcome> {
  const runs = new Map<string, (Measured | null)[]>();
  const skipped: Skipped[] = [];
  for (const each of cases) {
    try {
      if (options.without.some((start) => each.name.startsWith(start))) throw new Error("it was left out");
      await runOnce(each, "verify");
      runs.set(each.name, []);
    } catch (error) {
      skipped.push({ case: each.name, reason: reasonOf(error) });
      options.note(`${each.name}: skipped: ${reasonOf(error)}`);
    }
  }
  await options.beforeRounds?.();
  const left = cases.filter(({ name }) => runs.has(name));
  for (let round = 1; round <= options.rounds; round++) {
    for (const each of shuffled(left, options.random)) {
      const measured = await runQuiet(each, options);
      runs.get(each.name)?.push(measured);
      options.note(`round ${round}: ${each.name}: ${measured === null ? "failed" : lineOf(measured)}`);
    }
  }
  return { runs, skipped };
}

/** The least disturbed of at most REPEATS_MAX runs. */
async function runQuiet(each: Case, { foreignMax, note }: RoundsOptions): Promise<Measured | null> {
  let best: Measured | null = null;
  for (let count = 0; count < REPEATS_MAX; count++) {
    try {
      const measured = await runOnce(each, "check");
      if (best === null || (measured.foreignShare ?? 0) < (best.foreignShare ?? 0)) best = measured;
    } catch (error) {
      note(`${each.name}: ${reasonOf(error)}`);
      return best;
    }
    if ((best.foreignShare ?? 0) <= foreignMax) return best;
  }
  return best;
}

async function runOnce(each: Case, look: "verify" | "check"): Promise<Measured> {
  const prepared = await each.prepare();
  try {
    const measured = await runMeasured(prepared.command, prepared.servers);
    await prepared[look](measured);
    return measured;
  } finally {
    await prepared.clear();
  }
}

function lineOf({ wallS, cpuS, foreignShare }: Measured): string {
  const cpu = cpuS === null ? "" : `, CPU ${cpuS.toFixed(2)} s`;
  const foreign = foreignShare === null ? "" : `, others ${(foreignShare * 100).toFixed(0)} %`;
  return `${wallS.toFixed(3)} s${cpu}${foreign}`;
}

function reasonOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).slice(0, 600);
}
