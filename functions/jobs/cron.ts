/** What the minute's bell wakes. Everything here is also done by hand or by the next bell: a lost one changes only the delay. */
import type { Services } from "../http/edge.ts";
import { isEnded, startCollect, stepCollect } from "../registry/collect/run.ts";
import { newestRun } from "../registry/collect/state.ts";

const DAY_MS = 86_400_000;

/** Goes on with collection, and begins a run when the last began a day ago. */
export async function onMinute({ ports, log }: Services): Promise<void> {
  const last = await newestRun(ports);
  if (!isEnded(last)) {
    const { run } = await stepCollect(ports);
    log({ event: "collect.step", run: run?.run ?? null, phase: run?.phase ?? null, deleted: run?.deleted ?? 0 });
    return;
  }
  if (last !== null && ports.clock.now() - last.startedAtMs < DAY_MS) return;
  const { run } = await startCollect(ports, { dryRun: false });
  log({ event: "collect.start", run: run?.run ?? null });
}
