/** `npm run soak`: everything at once, for hours, and not one acknowledged revision may be lost (reference/safety.md §6, F35). */
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { diffWithRebuilt } from "../test/support/index-diff.ts";
import { Client } from "./soak/client.ts";
import { collectAgain, cycle, ringBell } from "./soak/collector.ts";
import { disturb } from "./soak/faults.ts";
import { Journal } from "./soak/journal.ts";
import { judgeAll, readAgain } from "./soak/judge.ts";
import { type Options, parseOptions, USAGE } from "./soak/options.ts";
import { type End, keepFigures, report } from "./soak/report.ts";
import { persistently, type System, startSystem } from "./soak/system.ts";

const HOUR_MS = 3_600_000;
const NEWS_MS = 60_000;

async function main(): Promise<number> {
  const options = parseOptions(process.argv.slice(2));
  if (options === null) {
    console.log(USAGE);
    return 0;
  }
  const journal = new Journal();
  console.error(`Starting; seed ${options.seed}`);
  const system = await startSystem(options, journal);
  let stopped = false;
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.once(signal, () => {
      stopped = true;
    });
  }
  try {
    const seconds = await soak(system, journal, options, () => stopped);
    const end = await settle(system, journal);
    console.log(report(options, journal, { seconds, ...end }));
    return journal.violations.length === 0 && end.orphans + end.missing + end.indexDifferences.length === 0 ? 0 : 1;
  } finally {
    await system.stop();
  }
}

/** All of it beside each other, until the time is up or somebody stops it. The first part that breaks ends it. */
async function soak(system: System, journal: Journal, options: Options, isStopped: () => boolean): Promise<number> {
  const beganMs = performance.now();
  let broken = false;
  const passedMs = () => performance.now() - beganMs;
  const isDone = () => (journal.counts["collection cycles"] ?? 0) >= options.cycles || passedMs() >= options.hours * HOUR_MS;
  const isRunning = () => !broken && !isStopped() && !isDone();
  const clients = Array.from({ length: options.clients }, (_, at) => new Client(system, journal, { at, seed: options.seed }));
  const parts = [
    ...clients.map((client) => client.run(options, isRunning)),
    collectAgain(system, journal, isRunning),
    ringBell(system, journal, isRunning),
    readAgain(system, journal, options, isRunning),
    disturb(system, journal, options, isRunning),
    tellNews(options, journal, passedMs, isRunning),
  ];
  const ends = await Promise.allSettled(
    parts.map((part) =>
      part.catch((error: unknown) => {
        broken = true;
        throw error;
      }),
    ),
  );
  for (const end of ends) if (end.status === "rejected") journal.violation(`a part ended: ${String(end.reason)}`);
  return passedMs() / 1000;
}

async function tellNews(options: Options, journal: Journal, passedMs: () => number, isRunning: () => boolean): Promise<void> {
  for (let toldMs = 0; isRunning(); await sleep(500)) {
    if (passedMs() - toldMs < NEWS_MS) continue;
    toldMs = passedMs();
    keepFigures(options, journal, { seconds: Math.round(toldMs / 1000), underWay: true });
    const { pushes = 0, "collection cycles": cycles = 0 } = journal.counts;
    const faults = Object.values(journal.faults).reduce((sum, count) => sum + count, 0);
    console.error(
      `${Math.round(toldMs / 1000)} s: ${pushes} pushes, ${cycles} cycles, ${faults} faults, ${journal.violations.length} violations`,
    );
  }
}

/** Without faults: the bell until all is sound, two cycles, then every revision, and the index beside one from the bucket alone. */
async function settle(system: System, journal: Journal): Promise<Omit<End, "seconds">> {
  const look = () => persistently(() => system.client.call("checkIndex", {}));
  for (let looks = 0; (await look()).state !== "sound" && looks < 60; looks++) await sleep(500);
  for (let quiet = 0; quiet < 2; quiet++) await cycle(system, { dryRun: false });
  const { garbage, missing } = await cycle(system, { dryRun: true });
  await judgeAll(system, journal);
  const { differences } = await diffWithRebuilt({ stack: system.live.stack });
  return { orphans: garbage, missing, indexDifferences: differences };
}

process.exitCode = await main();
