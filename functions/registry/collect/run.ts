/**
 * Collection as resumable steps: each takes a lease, does some seconds of work, and writes where it is. Any step may die at any point
 * and be done again; two runs at once are safe, only wasteful. Why it is safe beside pushes: docs/design.md, Leases and collection.
 */
import type { CollectAnswer, CollectRun } from "../../../shared/contract/collect.ts";
import { toHex } from "../../../shared/digest.ts";
import { FerryError } from "../../../shared/errors.ts";
import { CHUNK_PREFIX } from "../layout.ts";
import type { Ports } from "../ports.ts";
import { rescanStep, scanStep } from "./scan.ts";
import { publishStep, siftStep } from "./sift.ts";
import { loadRun, newestRun, saveRun } from "./state.ts";
import { deleteStep, finalStep } from "./sweep.ts";
import { tidy } from "./tidy.ts";

const LEASE = "collect";
const LEASE_MS = 60_000;
/** A Worker has 30 s for a request; a step takes the rest to write what it found. */
const STEP_MS = 15_000;

const ENDED = ["done", "aborted"];

export function isEnded(run: CollectRun | null): boolean {
  return run === null || ENDED.includes(run.phase);
}

export async function collectStatus(ports: Ports): Promise<CollectAnswer> {
  return { run: await newestRun(ports), busy: false };
}

/** Begins a run, or answers the one that is under way. */
export async function startCollect(ports: Ports, request: { dryRun: boolean; shareMax?: number | undefined }): Promise<CollectAnswer> {
  return leased(ports, async () => {
    const current = await newestRun(ports);
    if (hasBegun(current) && !isEnded(current)) return current;
    // Whoever began it died at once: it knows no time to count from.
    if (current !== null && !isEnded(current)) await saveEnd(ports, aborted(current, "it did not begin"));
    const state = emptyRun(ports, request, await digitsFor(ports, current));
    const storeNowMs = await saveRun(ports, state);
    try {
      checkClock(ports, storeNowMs);
    } catch (error) {
      await saveEnd(ports, abortedBy(state, error));
      throw error;
    }
    await tidy(ports, storeNowMs);
    const begun = { ...state, scanFromMs: storeNowMs };
    await saveRun(ports, begun);
    return begun;
  });
}

/** Goes on with the run that is under way, for some seconds. Without one it changes nothing. */
export async function stepCollect(ports: Ports): Promise<CollectAnswer> {
  return leased(ports, async () => {
    const state = await newestRun(ports);
    if (state === null || isEnded(state)) return state;
    if (!hasBegun(state)) return saveEnd(ports, aborted(state, "it did not begin"));
    const next = await advance(ports, state, ports.clock.now() + STEP_MS).catch((error: unknown) => abortedBy(state, error));
    return saveEnd(ports, next);
  });
}

/** An ended run is kept for a time that counts from its end, by the store's clock. */
async function saveEnd(ports: Ports, state: CollectRun): Promise<CollectRun> {
  const storeNowMs = await saveRun(ports, state);
  if (!isEnded(state)) return state;
  const ended = { ...state, endedAtMs: storeNowMs };
  await saveRun(ports, ended);
  return ended;
}

export async function cancelCollect(ports: Ports, run: string): Promise<CollectAnswer> {
  return leased(ports, async () => {
    const state = await loadRun(ports, run);
    if (state === null || isEnded(state)) return state;
    return saveEnd(ports, aborted(state, "it was cancelled"));
  });
}

async function advance(ports: Ports, state: CollectRun, deadlineMs: number): Promise<CollectRun> {
  switch (state.phase) {
    case "scan":
      return scanStep(ports, state, deadlineMs);
    case "sift":
      return siftStep(ports, state, deadlineMs);
    case "publish":
      return publishStep(ports, state);
    case "wait":
      return waitStep(ports, state);
    case "rescan":
      return rescanStep(ports, state, deadlineMs);
    case "final":
      return finalStep(ports, state);
    case "delete":
      return deleteStep(ports, state, deadlineMs);
    case "done":
    case "aborted":
      return state;
    default:
      return state.phase satisfies never;
  }
}

/** By the store's clock. */
async function waitStep(ports: Ports, state: CollectRun): Promise<CollectRun> {
  const storeNowMs = await saveRun(ports, state);
  const waited = storeNowMs - (state.publishedAtMs ?? storeNowMs) >= ports.margins.intentWaitMs;
  return waited ? { ...state, phase: "rescan", cursor: null, part: 0 } : state;
}

/** A rail that was hit ends the run; anything else (a store that does not answer) is tried again by the next step. */
function abortedBy(state: CollectRun, error: unknown): CollectRun {
  const rail = error instanceof FerryError && (error.code === "COLLECT_REFUSED" || error.code === "LOG_DAMAGED");
  if (!rail && !(error instanceof RangeError)) throw error;
  return aborted(state, error.message);
}

function aborted(state: CollectRun, problem: string): CollectRun {
  return { ...state, phase: "aborted", problem };
}

/** A run counts its times from the store's clock, which its start has read. */
function hasBegun(run: CollectRun | null): run is CollectRun {
  return run !== null && run.scanFromMs !== null;
}

function checkClock(ports: Ports, storeNowMs: number): void {
  const skewMs = Math.abs(storeNowMs - ports.clock.now());
  if (skewMs > ports.margins.skewMs)
    throw new FerryError("COLLECT_REFUSED", { problem: `the store's clock is ${Math.round(skewMs / 1000)} s from ours` });
}

async function leased(ports: Ports, work: () => Promise<CollectRun | null>): Promise<CollectAnswer> {
  const owner = toHex(ports.random.bytes(8));
  if ((await ports.leases.acquire(LEASE, owner, LEASE_MS)) === null) return { run: await newestRun(ports), busy: true };
  try {
    return { run: await work(), busy: false };
  } finally {
    await ports.leases.release(LEASE, owner);
  }
}

/** Above this, partitions of one digit would take a step longer than it may. */
const FEW_CHUNKS = 1_000_000;

/** A small store is one partition, which asks a sixteenth of it. */
async function digitsFor(ports: Ports, last: CollectRun | null): Promise<CollectRun["digits"]> {
  if (!(await ports.stores.home.bucket.list(CHUNK_PREFIX)).more) return 0;
  return last !== null && last.chunks > FEW_CHUNKS ? 2 : 1;
}

function emptyRun(
  ports: Ports,
  { dryRun, shareMax }: { dryRun: boolean; shareMax?: number | undefined },
  digits: CollectRun["digits"],
): CollectRun {
  const startedAtMs = ports.clock.now();
  return {
    v: 1,
    run: `${String(startedAtMs).padStart(13, "0")}-${toHex(ports.random.bytes(4))}`,
    phase: "scan",
    dryRun,
    shareMaxPermille: shareMax === undefined ? null : Math.round(shareMax * 1000),
    startedAtMs,
    scanFromMs: null,
    publishedAtMs: null,
    endedAtMs: null,
    scrubbedAtMs: null,
    cursor: null,
    digits,
    part: 0,
    envelopes: 0,
    roots: 0,
    rootChunks: 0,
    deadEnvelopes: [],
    chunks: 0,
    chunkBytes: 0,
    missing: 0,
    garbage: 0,
    garbageBytes: 0,
    more: false,
    deleted: 0,
    canaries: [],
    problem: null,
  };
}
