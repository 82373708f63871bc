/** What the minute's bell wakes. Everything here is also done by hand or by the next bell: a lost one changes only the delay. */
import { problemOf } from "../../shared/errors.ts";
import type { Services } from "../http/edge.ts";
import { measureRound } from "../http/measure.ts";
import { sealAudit } from "../registry/audit-seal.ts";
import { isEnded, startCollect, stepCollect } from "../registry/collect/run.ts";
import { newestRun } from "../registry/collect/state.ts";
import { tell } from "../registry/events/feed.ts";
import { hooksRound } from "../registry/hooks/bell.ts";
import { tendIndex } from "../registry/recovery/beat.ts";
import { readClaims } from "../registry/recovery/verify-claimed.ts";
import { collectReplicas, syncStep } from "../registry/replicate/bell.ts";
import { demandOwnGround } from "../registry/replicate/follow.ts";
import { sweepStaging } from "../registry/staging/slots.ts";
import { upkeepStep } from "../registry/upkeep.ts";
import { tendWarmups } from "../registry/warm/schedules.ts";

const DAY_MS = 86_400_000;
/** Nobody waits for the bell, and its work is mostly waiting. */
const BELL_COPY_MS = 45_000;
const MINUTE_MS = 60_000;
/** A commit gives up after 10 minutes. */
const CLAIMS_AGE_MS = 15 * MINUTE_MS;
const CLAIMS_MS = 15_000;
/** Between two looks for hours of the audit trail that are over. */
const SEAL_MINUTES = 10;
/** In the audit trail: nobody asked for it. */
const BY_CLOCK = { requestId: "cron", address: null, caller: { id: "cron", name: "cron" }, repository: null };

/** The index first: what it lacks may be what somebody reads. One job's failure keeps none of the others from their turn. */
export async function onMinute(services: Services): Promise<void> {
  await ring(services, "index", checkIndex);
  await ring(services, "claims", verifyClaims);
  await ring(services, "upkeep", keepUp);
  await ring(services, "collect", collect);
  await ring(services, "collect-replicas", collectStores);
  await ring(services, "warmups", warm);
  await ring(services, "staging", sweepSlots);
  await ring(services, "webhooks", sendHooks);
  await ring(services, "audit", keepTrail);
  // The last, for it may take most of the minute.
  await ring(services, "sync", sync);
}

async function ring(services: Services, job: string, work: (services: Services) => Promise<void>): Promise<void> {
  try {
    await work(services);
  } catch (error) {
    services.log({ event: "cron.failed", job, problem: problemOf(error) });
  }
}

async function checkIndex({ ports, log }: Services): Promise<void> {
  const check = await tendIndex(ports);
  const damaged = check.damaged.join("; ");
  if (check.state !== "sound" || damaged !== "") log({ event: "index.check", ...check, damaged });
}

/** Chunks of which a store has checked no more than an MD5. Those of commits that may be under way wait. */
async function verifyClaims({ ports, log }: Services): Promise<void> {
  const now = ports.clock.now();
  const { envelopes, chunks, bytes, right, wrong, missing } = await readClaims(ports, now - CLAIMS_AGE_MS, now + CLAIMS_MS);
  if (chunks > 0) log({ event: "claims.read", envelopes, chunks, bytes, right, wrong: wrong.length, missing: missing.length });
}

async function keepUp({ ports, log }: Services): Promise<void> {
  const repositories = await upkeepStep(ports);
  if (repositories > 0) log({ event: "upkeep.step", repositories });
}

async function sync({ ports, log }: Services): Promise<void> {
  const { problems, ...step } = await syncStep(ports, { copyMs: BELL_COPY_MS });
  if (step.opened + step.tasks + step.evicted + problems.length > 0) log({ event: "sync.step", ...step, problems: problems.join("; ") });
}

async function collectStores({ ports, log }: Services): Promise<void> {
  for (const step of await collectReplicas(ports)) log({ event: "collect.step", ...step });
}

/** Goes on with collection, and begins a run when the last began a day ago. */
async function collect({ ports, log, audit }: Services): Promise<void> {
  await demandOwnGround(ports);
  const last = await newestRun(ports);
  if (!isEnded(last)) {
    const { run } = await stepCollect(ports);
    log({ event: "collect.step", run: run?.run ?? null, phase: run?.phase ?? null, deleted: run?.deleted ?? 0 });
    if (run !== null && isEnded(run)) {
      const about = { run: run.run, phase: run.phase, deleted: String(run.deleted), problem: run.problem ?? "" };
      await tell(ports, { type: "collect.finished", id: `collect-${run.run}`, about });
      audit.record({ ...BY_CLOCK, act: "collect.ended", about, result: run.phase === "done" ? "OK" : "COLLECT_REFUSED" });
    }
    return;
  }
  if (last !== null && ports.clock.now() - last.startedAtMs < DAY_MS) return;
  const { run } = await startCollect(ports, { dryRun: false });
  log({ event: "collect.start", run: run?.run ?? null });
  audit.record({ ...BY_CLOCK, act: "collect.started", about: { run: run?.run ?? "" }, result: "OK" });
}

async function warm({ ports, log }: Services): Promise<void> {
  for (const { type, id, repository, problem } of await tendWarmups(ports)) {
    log({ event: type, id, repository, problem });
    await tell(ports, { type, id: `${type}-${id}`, repository, about: { warmup: id, problem } });
  }
}

/** What clients of the Hub left behind. */
async function sweepSlots({ ports, log }: Services): Promise<void> {
  const removed = await sweepStaging(ports);
  if (removed > 0) log({ event: "staging.swept", objects: removed });
}

async function sendHooks(services: Services): Promise<void> {
  const { ports, log, tally } = services;
  const { webhooks, missed, ...round } = await hooksRound(ports);
  measureRound(services, round);
  await tally.flush();
  if (webhooks > 0 && (round.sent > 0 || missed)) log({ event: "webhooks.round", missed, ...round });
}

/** What is told of a seal here is kept elsewhere than the bucket: who changes the trail can't change that. */
async function keepTrail({ ports, log, audit }: Services): Promise<void> {
  await audit.flush();
  if (Math.floor(ports.clock.now() / MINUTE_MS) % SEAL_MINUTES !== 0) return;
  const seal = await sealAudit(ports);
  if (seal !== null) log({ event: "audit.sealed", ...seal });
}
