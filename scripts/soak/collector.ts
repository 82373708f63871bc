/** Collection, run after run, and the bell that a deployment rings each minute, more often here. */
import { setTimeout as sleep } from "node:timers/promises";
import type { CollectRun } from "../../shared/contract/collect.ts";
import type { Journal } from "./journal.ts";
import { isCode, persistently, type System } from "./system.ts";

const BELL_MS = 5_000;
const PAUSE_MS = 300;

export async function collectAgain(system: System, journal: Journal, isRunning: () => boolean): Promise<void> {
  while (isRunning()) {
    const run = await cycle(system, { dryRun: false }).catch((error: unknown) => {
      // A rail: a machine that stood still makes the store's clock look wrong. Nothing was begun.
      if (!isCode(error, "COLLECT_REFUSED")) throw error;
      return null;
    });
    if (run === null) {
      journal.count("collection runs refused for the clock");
      await sleep(PAUSE_MS);
      continue;
    }
    journal.count(run.phase === "done" ? "collection cycles" : "collection cycles aborted");
    journal.count("chunks deleted", run.deleted);
    if (run.phase === "aborted") journal.violation(`collection ${run.run} was aborted: ${run.problem ?? ""}`);
    if (run.missing > 0) journal.violation(`collection ${run.run} misses ${run.missing} chunks`);
    await sleep(PAUSE_MS);
  }
}

/** One run to its end. */
export async function cycle({ client }: System, { dryRun }: { dryRun: boolean }): Promise<CollectRun> {
  for (;;) {
    const started = await persistently(() => client.call("startCollect", { body: { dryRun } }));
    let { run } = started;
    // Somebody holds the lease, a dead server perhaps: what is answered then may be a run that ended before.
    if (started.busy) run = null;
    while (run !== null && run.phase !== "done" && run.phase !== "aborted") {
      const answer = await persistently(() => client.call("stepCollect", {}));
      if (answer.busy) await sleep(500);
      run = answer.run;
    }
    if (run !== null && run.dryRun === dryRun) return run;
    await sleep(500);
  }
}

export async function ringBell({ client }: System, journal: Journal, isRunning: () => boolean): Promise<void> {
  while (isRunning()) {
    const check = await persistently(() => client.call("checkIndex", {}));
    journal.count("bells");
    journal.count("records that Redis had lost", check.healedRecords);
    for (let slept = 0; slept < BELL_MS && isRunning(); slept += 100) await sleep(100);
  }
}
