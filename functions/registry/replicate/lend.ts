/** Tasks for executors elsewhere: signed requests instead of streams through us. */
import {
  type ExtendAnswer,
  type FinishAnswer,
  type FinishRequest,
  type LeaseAnswer,
  TASK_CHUNKS_MAX,
} from "../../../shared/contract/replication.ts";
import { FerryError } from "../../../shared/errors.ts";
import type { StoreId } from "../../../shared/names.ts";
import { withWhole } from "../log.ts";
import { systemLog } from "../logs.ts";
import type { Ports } from "../ports.ts";
import type { Held } from "./ports.ts";
import { extendTask, failTask, finishTask, heldLease, openTask, writeMode } from "./tasks.ts";

const LEASE_SECONDS = 90;
const IDLE_SECONDS = 15;

export async function lendTask(ports: Ports, store: StoreId): Promise<LeaseAnswer> {
  const mode = await writeMode(ports.stores.get(store));
  if (mode === "unchecked") throw new FerryError("STORE_UNSAFE", { store });
  const task = await openTask(ports, store, LEASE_SECONDS * 1000);
  if (task === null) return { task: null, waitSeconds: IDLE_SECONDS };
  const { held, lease, source, target, items, bytesPerSecond } = task;
  const { repositoryId, revision } = lease.job;
  const names = await withWhole(systemLog(ports), () => ports.system.namesOf([repositoryId]));
  const sources = await source.chunks.downloads(items.map(({ sha256, from }) => ({ sha256, tag: from })));
  const tickets = await target.chunks.tickets(
    mode,
    items.map(({ sha256, size, to }) => ({ sha256, size, tag: to })),
  );
  const repository = names.get(repositoryId) ?? null;
  const common = { task: held.task, fence: held.fence, leaseSeconds: LEASE_SECONDS, source: source.profile.id, repository, revision };
  return { task: { ...common, sources, tickets, bytesPerSecond }, waitSeconds: 0 };
}

export async function extendLoan(ports: Ports, held: Held): Promise<ExtendAnswer> {
  await extendTask(ports, held, LEASE_SECONDS * 1000);
  return { leaseSeconds: LEASE_SECONDS };
}

/** Throws TASK_LOST. A task that was not done is given out again. */
export async function finishLoan(ports: Ports, held: Held, { problem, bad }: Omit<FinishRequest, "task" | "fence">): Promise<FinishAnswer> {
  const lease = await heldLease(ports, held);
  const said =
    problem ?? (bad.length > 0 ? `${Math.min(bad.length, TASK_CHUNKS_MAX)} chunks are not what they are called at the source` : null);
  if (said !== null) {
    await failTask(ports, held, lease, new FerryError("STORAGE_UNAVAILABLE", { store: held.store, problem: said }));
    return { tasksLeft: lease.job.tasks, ready: false };
  }
  try {
    const { left, ready } = await finishTask(ports, held);
    return { tasksLeft: left, ready };
  } catch (error) {
    if (error instanceof FerryError && error.code !== "TASK_LOST") await failTask(ports, held, lease, error);
    throw error;
  }
}
