/**
 * Looking for damage, as resumable steps: each takes a lease, does some seconds of work, and writes where it is into the bucket. It reads
 * the bucket itself, past every cache, and changes nothing there but its own notes. With `repair` it condemns keys of bad chunks, and mends
 * what it can (mend.ts).
 */

import type * as z from "zod";
import { type FsckAnswer, type FsckRequest, FsckRun } from "../../../shared/contract/fsck.ts";
import { toHex } from "../../../shared/digest.ts";
import { condemn } from "../condemn.ts";
import { FSCK_RUN_PREFIX, fsckRunKey, fsckWorkPrefix } from "../layout.ts";
import { listAll, pagesOf } from "../listing.ts";
import { withWhole } from "../log.ts";
import { systemLog } from "../logs.ts";
import type { Ports } from "../ports.ts";
import { decodeRecord, encodeRecord } from "../records.ts";
import { demandHome } from "../replicate/follow.ts";
import { chunksStep } from "./chunks.ts";
import { dataStep } from "./data.ts";
import { logsStep } from "./logs.ts";
import { copyStep, mendStep, planStep, settled } from "./mend.ts";
import { blameStep, revisionsStep } from "./revisions.ts";

const LEASE = "fsck";
const LEASE_MS = 120_000;
/** A Worker has 30 s for a request; what a step has begun it ends. */
const STEP_MS = 12_000;
const RUNS_KEPT = 10;

export async function fsckStatus(ports: Ports): Promise<FsckAnswer> {
  return { run: await newest(ports), busy: false };
}

/** Begins a run, or answers the one that is under way. Throws FOLLOWER_READ_ONLY for a repair where nothing is written. */
export async function startFsck(ports: Ports, request: z.output<typeof FsckRequest>): Promise<FsckAnswer> {
  if (request.repair) await withWhole(systemLog(ports), () => demandHome(ports));
  return leased(ports, async (current) => {
    if (current !== null && !isEnded(current)) return current;
    await tidy(ports);
    return beginRun(ports, request);
  });
}

/** Goes on with the run that is under way, for some seconds. Without one it changes nothing. */
export function stepFsck(ports: Ports): Promise<FsckAnswer> {
  return leased(ports, async (run) => (run === null || isEnded(run) ? run : advance(uncached(ports), run)));
}

export function cancelFsck(ports: Ports): Promise<FsckAnswer> {
  return leased(ports, async (run) =>
    run === null || isEnded(run) ? run : end(ports, { ...run, phase: "aborted", problem: "it was cancelled" }),
  );
}

function isEnded({ phase }: FsckRun): boolean {
  return phase === "done" || phase === "aborted";
}

/** What a cache knows was right when it was read. */
function uncached(ports: Ports): Ports {
  return { ...ports, cache: { get: () => undefined, set: () => {} } };
}

async function advance(ports: Ports, run: FsckRun): Promise<FsckRun> {
  const deadlineMs = ports.clock.now() + STEP_MS;
  switch (run.phase) {
    case "logs":
      return logsStep(ports, run, deadlineMs);
    case "revisions":
      return revisionsStep(ports, run, deadlineMs);
    case "chunks":
      return afterChunks(ports, await chunksStep(ports, run, deadlineMs));
    case "data":
      return afterData(ports, await dataStep(ports, run, deadlineMs));
    case "blame":
      return afterBlame(ports, await blameStep(ports, run, deadlineMs));
    case "plan":
      return afterPlan(ports, await planStep(ports, run, deadlineMs));
    case "copy":
      return afterCopy(await copyStep(ports, run, deadlineMs));
    case "mend":
      return afterMend(ports, await mendStep(ports, run, deadlineMs));
    case "done":
    case "aborted":
      return run;
    default:
      return run.phase satisfies never;
  }
}

async function afterChunks(ports: Ports, run: FsckRun): Promise<FsckRun> {
  if (run.cursor !== null) return run;
  return run.readPermille > 0 || run.verifyClaimed ? { ...run, phase: "data" } : afterData(ports, run);
}

async function afterData(ports: Ports, run: FsckRun): Promise<FsckRun> {
  if (run.cursor !== null) return run;
  return run.bad.length > 0 ? { ...run, phase: "blame" } : afterPlan(ports, run);
}

/** What no living revision names is nobody's loss, and its key would not be named again. */
async function afterBlame(ports: Ports, run: FsckRun): Promise<FsckRun> {
  if (run.cursor !== null) return run;
  const bad = run.bad.filter((chunk) => chunk.needed);
  return bad.length > 0 ? { ...run, bad, phase: "plan" } : afterPlan(ports, { ...run, bad });
}

/** Bad keys are condemned before anything is mended: who was told `have` of one is stopped at his commit. */
async function afterPlan(ports: Ports, run: FsckRun): Promise<FsckRun> {
  if (run.cursor !== null) return run;
  const hasWork = run.bad.length > 0 || run.findings.some(({ kind }) => kind.startsWith("recipe."));
  if (!run.repair || !hasWork) return end(ports, { ...run, phase: "done" });
  await condemn(ports, run.bad);
  return { ...run, phase: "copy", condemned: run.bad.length };
}

function afterCopy(run: FsckRun): FsckRun {
  return run.cursor === null ? { ...run, phase: "mend" } : run;
}

async function afterMend(ports: Ports, run: FsckRun): Promise<FsckRun> {
  if (run.phase === "aborted") return end(ports, run);
  return run.cursor === null ? end(ports, { ...settled(run), phase: "done" }) : run;
}

async function end(ports: Ports, run: FsckRun): Promise<FsckRun> {
  await dropWork(ports, run.run);
  return { ...run, cursor: null, endedAtMs: ports.clock.now() };
}

function beginRun(ports: Ports, { readData, verifyClaimed, repair }: z.output<typeof FsckRequest>): FsckRun {
  const nowMs = ports.clock.now();
  return {
    v: 1,
    run: `${String(nowMs).padStart(13, "0")}-${toHex(ports.random.bytes(4))}`,
    phase: "logs",
    readPermille: Math.ceil(readData * 1000),
    verifyClaimed,
    repair,
    startedAtMs: nowMs,
    endedAtMs: null,
    cursor: null,
    logs: 0,
    records: 0,
    revisions: 0,
    recipes: 0,
    named: 0,
    chunks: 0,
    chunkBytes: 0,
    orphans: 0,
    orphanBytes: 0,
    young: 0,
    claimed: 0,
    read: 0,
    readBytes: 0,
    verified: 0,
    condemned: 0,
    mended: 0,
    bad: [],
    findings: [],
    problem: null,
  };
}

async function leased(ports: Ports, work: (run: FsckRun | null) => Promise<FsckRun | null>): Promise<FsckAnswer> {
  const owner = toHex(ports.random.bytes(8));
  if ((await ports.leases.acquire(LEASE, owner, LEASE_MS)) === null) return { run: await newest(ports), busy: true };
  try {
    const run = await work(await newest(ports));
    if (run !== null) await ports.stores.home.bucket.put(fsckRunKey(run.run), encodeRecord(run));
    return { run, busy: false };
  } finally {
    await ports.leases.release(LEASE, owner);
  }
}

async function runKeys(ports: Ports): Promise<string[]> {
  return (await listAll(ports.stores.home.bucket, FSCK_RUN_PREFIX)).map(({ key }) => key);
}

async function newest(ports: Ports): Promise<FsckRun | null> {
  const key = (await runKeys(ports)).at(-1);
  const bytes = key === undefined ? null : await ports.stores.home.bucket.get(key);
  return key === undefined || bytes === null ? null : decodeRecord(FsckRun, bytes, key);
}

async function tidy(ports: Ports): Promise<void> {
  await ports.stores.home.bucket.delete((await runKeys(ports)).slice(0, -RUNS_KEPT));
}

async function dropWork(ports: Ports, run: string): Promise<void> {
  const { bucket } = ports.stores.home;
  for await (const page of pagesOf(bucket, fsckWorkPrefix(run))) await bucket.delete(page.map(({ key }) => key));
}
