/**
 * Tasks: given out under a lease, and done once. What an executor says is never believed: a task is done when the store shows each of its
 * chunks, whose content it has checked by the ticket, or who copied it has.
 */
import type { Digest } from "../../../shared/digest.ts";
import { FerryError } from "../../../shared/errors.ts";
import type { StoreId } from "../../../shared/names.ts";
import { readEnvelope } from "../envelopes.ts";
import type { Ports, Store, WriteMode } from "../ports.ts";
import { atStore } from "./at-store.ts";
import { completeJob } from "./complete.ts";
import type { Held, Lease } from "./ports.ts";
import { rateInto, standingOf } from "./standing.ts";

/** `from`, `to`: tags at the source and at the target. */
export type CopyItem = { sha256: Digest; size: number; from: string; to: string };
/** `items`: what is missing; all of `places` must be there in the end. */
export type OpenTask = { held: Held; lease: Lease; source: Store; target: Store; items: CopyItem[]; bytesPerSecond: number | null };

const BACKOFF_MS = 5_000;
const BACKOFF_MS_MAX = 300_000;
/** Where the same again would end the same way, until somebody has done something. */
const BACKOFF_MS_STUCK = 3_600_000;
/** Of one task, before anybody is told. */
export const FAILURES_TOLD = 5;

/** The task that comes first; null: nothing to do now. */
export async function openTask(ports: Ports, store: StoreId, leaseMs: number): Promise<OpenTask | null> {
  const nowMs = ports.clock.now();
  const bytesPerSecond = rateInto(await standingOf(ports), store);
  const lease = await ports.jobs.lease(store, nowMs, nowMs + leaseMs, bytesPerSecond ?? 0);
  if (lease === null) return null;
  const held = { store, task: lease.task, fence: lease.fence };
  try {
    const target = ports.stores.get(store);
    const places = await placesOf(ports, lease);
    const source = sourceOf(ports, lease);
    const from = await readEnvelope(atSource(ports, source.store), lease.job.manifest, source.copy);
    const there = await (lease.isRepeat ? target.chunks.lengths(places) : knownLengths(ports, store, places));
    const items = places.flatMap(({ sha256, size, tag }, at): CopyItem[] => {
      const place = from.places.get(sha256);
      if (place === undefined)
        throw new FerryError("LOG_DAMAGED", { repository: lease.job.copy, problem: `chunk ${sha256} has no source` });
      return there[at] === size ? [] : [{ sha256, size, from: place.tag, to: tag }];
    });
    return { held, lease, source: ports.stores.get(source.store), target, items, bytesPerSecond };
  } catch (error) {
    await failTask(ports, held, lease, error);
    throw error;
  }
}

/** Of chunks that another plan has copied to the same keys since this one was made. A wrong hint shows when the task is finished. */
async function knownLengths(ports: Ports, store: StoreId, places: readonly { sha256: Digest; tag: string }[]): Promise<(number | null)[]> {
  const entries = await ports.chunksAt(store).find(places.map(({ sha256 }) => sha256));
  return entries.map((entry, at) => (entry?.verified && entry.tag === places[at]?.tag ? entry.size : null));
}

async function placesOf(ports: Ports, { job, places }: Pick<Lease, "job" | "places">) {
  const envelope = await readEnvelope(atStore(ports, job.store), job.manifest, job.copy);
  const all = [...envelope.places];
  return places.flatMap((at) => {
    const [sha256, place] = all[at] ?? [];
    return sha256 === undefined || place === undefined ? [] : [{ sha256, ...place }];
  });
}

/** Home after a failure: the near store may have given its replica up. */
function sourceOf(ports: Ports, { job, failures }: Pick<Lease, "job" | "failures">): { store: StoreId; copy: string } {
  if (failures > 0) return { store: ports.stores.home.profile.id, copy: job.attempt };
  return { store: job.source, copy: job.sourceCopy };
}

function atSource(ports: Ports, store: StoreId): Ports {
  return store === ports.stores.home.profile.id ? ports : atStore(ports, store);
}

/** How this store checks what is written to it. Throws STORE_UNPROVEN, STORE_UNSAFE. */
export async function writeMode(store: Store): Promise<WriteMode> {
  const probe = await store.probed();
  if (probe === null) throw new FerryError("STORE_UNPROVEN", { store: store.profile.id });
  if (!probe.createOnly) throw new FerryError("STORE_UNSAFE", { store: store.profile.id });
  return probe.modes.find((proven) => proven !== "md5") ?? "unchecked";
}

export async function extendTask(ports: Ports, held: Held, leaseMs: number): Promise<void> {
  if (!(await ports.jobs.extend(held, ports.clock.now() + leaseMs))) throw new FerryError("TASK_LOST", { task: held.task });
}

/** Not done; it is given out again later, the later the oftener it failed. */
export async function failTask(
  ports: Ports,
  held: Held,
  { job, failures }: Pick<Lease, "job" | "failures">,
  error: unknown,
): Promise<void> {
  const problem = error instanceof FerryError ? error.message : "it failed";
  const longestMs = error instanceof FerryError && !error.retryable && failures >= FAILURES_TOLD ? BACKOFF_MS_STUCK : BACKOFF_MS_MAX;
  const pauseMs = Math.min(longestMs, BACKOFF_MS * 2 ** Math.min(failures, 10));
  await ports.jobs.fail(held, problem.slice(0, 300), ports.clock.now() + pauseMs);
  if (failures + 1 !== FAILURES_TOLD) return;
  const { store, repositoryId, revision } = job;
  await ports.events.record({ type: "replica.failed", about: { store, repositoryId, revision, problem: problem.slice(0, 300) } });
}

/**
 * Done, if the store shows all of its chunks. The last task of a job completes it. Throws TASK_LOST, and CHUNK_UNPROVEN when some are not
 * there.
 */
export async function finishTask(ports: Ports, held: Held): Promise<{ left: number; ready: boolean }> {
  const lease = await heldLease(ports, held);
  const { job } = lease;
  const view = atStore(ports, job.store);
  const places = await placesOf(ports, lease);
  const lengths = await view.stores.home.chunks.lengths(places);
  const missing = places.filter(({ size }, at) => lengths[at] !== size);
  if (missing.length > 0)
    throw new FerryError("CHUNK_UNPROVEN", { count: missing.length, attempt: 1, chunks: missing.map(({ sha256 }) => sha256) });
  const left = await ports.jobs.finish(held);
  if (left === null) throw new FerryError("TASK_LOST", { task: held.task });
  await view.chunks.add(places.map(({ sha256, size, tag }) => ({ sha256, size, tag, holder: job.repositoryId, verified: true })));
  return { left, ready: left === 0 && (await completeJob(ports, job)) };
}

/** Throws TASK_LOST. */
export async function heldLease(ports: Ports, held: Held): Promise<Pick<Lease, "job" | "failures" | "places">> {
  const lease = await ports.jobs.find(held);
  if (lease === null) throw new FerryError("TASK_LOST", { task: held.task });
  return lease;
}
