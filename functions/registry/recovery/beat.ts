/**
 * The minute's look at the index. A managed Redis that fails over, or is restored, may come back consistent but older: nothing in it tells,
 * and reads would answer old refs until somebody writes. The look compares with the bucket
 *   - the deployment's log,
 *   - every repository's log that was marked since the index was last known to be whole (sound.ts), and
 *   - some more of all logs in turn, for what no note can tell (keys that came back one by one).
 * When the time since is longer than marks are kept, or unknown, all logs are walked: rebuild.ts.
 */
import type { IndexCheck } from "../../../shared/contract/recovery.ts";
import type { RepositoryId } from "../../../shared/contract/repositories.ts";
import { systemLog } from "../logs.ts";
import type { Ports } from "../ports.ts";
import { type Healed, healLog, healLogs, sumOf } from "./heal.ts";
import { goOnRebuilding, rebuildStatus, stepRebuild } from "./rebuild.ts";
import { dropOldMarks, isMarkedSince, recentLogs } from "./recent.ts";
import { beginLook, endLook, provesAll, readSound } from "./sound.ts";
import { nextLogs } from "./walk.ts";

/** A Worker's bell may take 30 s of CPU; what is left is done by the next. */
const LOOK_MS = 15_000;
/** More logs than this are walked in steps. */
const MARKED_LOGS_MAX = 50_000;
/** Pages of 1,000 keys that the patrol reads in a look. */
const PATROL_PAGES = 4;
const PATROL = "patrol";
/** The patrol's note when it begins anew. */
const START = "start";
/** How often old marks are deleted. */
const TIDY_MINUTES = 10;
const MINUTE_MS = 60_000;
const DAMAGED_MAX = 20;

/** The bell: a look, and the next step of a rebuild that somebody has begun. */
export async function tendIndex(ports: Ports): Promise<IndexCheck> {
  const check = await lookAtIndex(ports);
  if (check.state === "rebuilding") return check;
  const { run } = await rebuildStatus(ports);
  if (run !== null && run.phase !== "done") await stepRebuild(ports);
  return check;
}

export async function lookAtIndex(ports: Ports): Promise<IndexCheck> {
  const beganMs = ports.clock.now();
  const deadlineMs = beganMs + LOOK_MS;
  // Names and tokens first: a token that was revoked must not come back.
  const system = await healLog(ports, systemLog(ports), deadlineMs);
  const sound = await readSound(ports);
  const marked = isMarkedSince(ports, sound.soundMs) ? await recentLogs(ports, sound.soundMs, MARKED_LOGS_MAX) : null;
  if (marked === null) {
    await goOnRebuilding(ports);
    return reportOf("rebuilding", sound.soundMs, system);
  }
  const begun = await beginLook(ports, sound);
  if (begun === null) return reportOf("busy", sound.soundMs, system);
  const patrol = await nextPatrol(ports);
  const healed = await healLogs(ports, new Map([...marked, ...patrol.tails]), deadlineMs);
  if (!healed.left) await endPatrol(ports, patrol);
  if (Math.floor(beganMs / MINUTE_MS) % TIDY_MINUTES === 0) await dropOldMarks(ports);
  const moved = provesAll(healed, beganMs) && (await endLook(ports, begun, beganMs));
  const all = sumOf(system, healed);
  return reportOf(all.logs > 0 ? "healed" : "sound", moved ? beganMs : sound.soundMs, all);
}

type Patrol = { note: string | null; tails: Map<RepositoryId, number>; next: string | null };

/** All logs in turn, some in each look. */
async function nextPatrol(ports: Ports): Promise<Patrol> {
  const note = await ports.notes.read(PATROL);
  const patrol: Patrol = { note, tails: new Map(), next: note === START ? null : note };
  for (let page = 0; page < PATROL_PAGES; page++) {
    const { tails, next } = await nextLogs(ports, patrol.next);
    for (const [id, seq] of tails) patrol.tails.set(id, seq);
    patrol.next = next;
    if (next === null) break;
  }
  return patrol;
}

async function endPatrol(ports: Ports, { note, next }: Patrol): Promise<void> {
  await ports.notes.swap(PATROL, note, next ?? START);
}

function reportOf(state: IndexCheck["state"], soundMs: number, healed: Healed | null): IndexCheck {
  const { checked = 0, logs = 0, records = 0, damaged = [] } = healed ?? {};
  return {
    state,
    soundMs: soundMs === 0 ? null : soundMs,
    checked,
    healedLogs: logs,
    healedRecords: records,
    damaged: damaged.slice(0, DAMAGED_MAX),
  };
}
