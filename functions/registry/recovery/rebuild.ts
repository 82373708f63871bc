/**
 * Making the index what the bucket says, in steps that can be repeated: every log is caught up, pass after pass until one finds nothing
 * to do, then the chunk index gets what it lacks. On a healthy index it changes nothing. Where it stands is noted in the index that it
 * rebuilds: if that is lost, so is the note, and it begins anew.
 *
 * Hints about chunks are dropped first when the index is not known to have been whole within half of the time for which collection keeps
 * its flags: an index from an old backup may say `have` of what is gone, and no flag would stop the commit.
 */
import * as z from "zod";
import { type RebuildAnswer, RebuildRun } from "../../../shared/contract/recovery.ts";
import { toHex } from "../../../shared/digest.ts";
import { tell } from "../events/feed.ts";
import { systemLog } from "../logs.ts";
import type { Ports } from "../ports.ts";
import { fillChunks } from "./chunks.ts";
import { type Healed, healLog, healLogs } from "./heal.ts";
import { beginLook, endLook, provesAll, readSound } from "./sound.ts";
import { nextLogs } from "./walk.ts";

const NOTE = "rebuild";
const LEASE = "rebuild";
const LEASE_MS = 60_000;
/** A Worker has 30 s for a request; what a step has begun it ends. */
const STEP_MS = 15_000;
const DAMAGED_MAX = 20;

/** `sound`: what the note of soundness said when the pass over the logs began. */
const Stored = z.strictObject({ run: RebuildRun, sound: z.string().nullable() });
type Stored = z.infer<typeof Stored>;

export async function rebuildStatus(ports: Ports): Promise<RebuildAnswer> {
  return { run: (await load(ports)).stored?.run ?? null, busy: false };
}

/** Begins a run, or answers the one that is under way. */
export function startRebuild(ports: Ports): Promise<RebuildAnswer> {
  return leased(ports, async (stored) => (isEnded(stored) ? begin(ports) : stored));
}

/** Goes on with the run that is under way, for some seconds. Without one it changes nothing. */
export function stepRebuild(ports: Ports): Promise<RebuildAnswer> {
  return leased(ports, async (stored) => (stored === null || isEnded(stored) ? stored : advance(ports, stored)));
}

/** The same, beginning a run when none is under way. */
export function goOnRebuilding(ports: Ports): Promise<RebuildAnswer> {
  return leased(ports, async (stored) => advance(ports, stored === null || isEnded(stored) ? await begin(ports) : stored));
}

function isEnded(stored: Stored | null): boolean {
  return stored === null || stored.run.phase === "done";
}

async function begin(ports: Ports): Promise<Stored> {
  const nowMs = ports.clock.now();
  // An index that is this old, or that nobody knows, may offer chunks that were collected since, and collection may have forgotten.
  if ((await readSound(ports)).soundMs < nowMs - ports.margins.retainMs / 2) await ports.chunks.clear();
  const run: RebuildRun = {
    v: 1,
    run: `${String(nowMs).padStart(13, "0")}-${toHex(ports.random.bytes(4))}`,
    phase: "logs",
    startedAtMs: nowMs,
    passAtMs: nowMs,
    passes: 0,
    endedAtMs: null,
    cursor: null,
    logs: 0,
    healedLogs: 0,
    healedRecords: 0,
    late: 0,
    revisions: 0,
    entries: 0,
    damaged: [],
  };
  return beginPass(ports, run);
}

async function beginPass(ports: Ports, run: RebuildRun): Promise<Stored> {
  const passAtMs = ports.clock.now();
  const sound = await beginLook(ports, await readSound(ports));
  return { run: { ...run, passAtMs, passes: run.passes + 1, cursor: null, logs: 0, late: 0 }, sound: sound?.text ?? null };
}

async function advance(ports: Ports, stored: Stored): Promise<Stored> {
  const deadlineMs = ports.clock.now() + STEP_MS;
  const { run } = stored;
  switch (run.phase) {
    case "logs":
      return logsStep(ports, stored, deadlineMs);
    case "chunks":
      return { ...stored, run: await chunksStep(ports, run, deadlineMs) };
    case "done":
      return stored;
    default:
      return run.phase satisfies never;
  }
}

async function logsStep(ports: Ports, stored: Stored, deadlineMs: number): Promise<Stored> {
  let run = withHealed(stored.run, await healLog(ports, systemLog(ports), deadlineMs));
  do {
    const { tails, next } = await nextLogs(ports, run.cursor);
    const healed = await healLogs(ports, tails, deadlineMs);
    run = withHealed(run, healed);
    // What is left of this stretch is for the next step.
    if (healed.left) break;
    run = { ...run, logs: run.logs + tails.size, cursor: next };
    if (next === null) return endPass(ports, { ...stored, run });
  } while (ports.clock.now() < deadlineMs);
  return { ...stored, run };
}

/** Another pass if this one had to apply what a rollback in the meantime may have taken again; else all that was there is known to be whole. */
async function endPass(ports: Ports, { run, sound }: Stored): Promise<Stored> {
  if (run.late > 0) return beginPass(ports, run);
  // It fails when somebody else looked meanwhile, and knows as much.
  if (sound !== null) await endLook(ports, { soundMs: 0, text: sound }, run.passAtMs);
  return { run: { ...run, phase: "chunks", cursor: null }, sound: null };
}

function withHealed(run: RebuildRun, healed: Healed): RebuildRun {
  return {
    ...run,
    healedLogs: run.healedLogs + healed.logs,
    healedRecords: run.healedRecords + healed.records,
    late: run.late + (provesAll(healed, run.passAtMs) ? 0 : healed.records),
    damaged: [...new Set([...run.damaged, ...healed.damaged])].slice(0, DAMAGED_MAX),
  };
}

async function chunksStep(ports: Ports, run: RebuildRun, deadlineMs: number): Promise<RebuildRun> {
  const { cursor, revisions, entries, damaged } = await fillChunks(ports, run.cursor, deadlineMs);
  const next: RebuildRun = {
    ...run,
    cursor,
    revisions: run.revisions + revisions,
    entries: run.entries + entries,
    damaged: [...run.damaged, ...damaged].slice(0, DAMAGED_MAX),
  };
  if (cursor !== null) return next;
  const { run: id, logs, healedRecords: records } = next;
  const about = { run: id, logs, records, entries: next.entries, damaged: next.damaged.length };
  await tell(ports, { type: "index.rebuilt", id: `index.rebuilt-${id}`, about });
  return { ...next, phase: "done", endedAtMs: ports.clock.now() };
}

async function leased(ports: Ports, work: (stored: Stored | null) => Promise<Stored | null>): Promise<RebuildAnswer> {
  const owner = toHex(ports.random.bytes(8));
  if ((await ports.leases.acquire(LEASE, owner, LEASE_MS)) === null) return { ...(await rebuildStatus(ports)), busy: true };
  try {
    const { text, stored } = await load(ports);
    const next = await work(stored);
    // If another has written meanwhile, or the index went back, what was done is done; it only is not counted.
    if (next !== null && next !== stored) await ports.notes.swap(NOTE, text, JSON.stringify(next));
    return { run: next?.run ?? null, busy: false };
  } finally {
    await ports.leases.release(LEASE, owner);
  }
}

/** What can't be read was written by another version: as if nothing were there. */
async function load(ports: Ports): Promise<{ text: string | null; stored: Stored | null }> {
  const text = await ports.notes.read(NOTE);
  return { text, stored: text === null ? null : (Stored.safeParse(parseJson(text)).data ?? null) };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
