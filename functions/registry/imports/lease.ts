/**
 * Imports for executors. One import at a time goes into a repository, for one executor: the lease is the repository's, and whoever lost it
 * hears so. What nobody hears in time does no harm either: the commit has the import's operation id, so it is made once.
 */
import {
  type Import,
  type ImportHeld,
  type ImportLease,
  type ImportLeaseRequest,
  type ImportOutcome,
  isImportAllowed,
} from "../../../shared/contract/imports.ts";
import type { RepositorySummary } from "../../../shared/contract/repositories.ts";
import { toHex } from "../../../shared/digest.ts";
import { FerryError } from "../../../shared/errors.ts";
import { matchesGlob, type OperationId, type RepositoryName } from "../../../shared/names.ts";
import { epochMs, isoTime } from "../../../shared/time.ts";
import { may } from "../access.ts";
import { tell } from "../events/feed.ts";
import { importsPrefix } from "../layout.ts";
import { withWhole } from "../log.ts";
import { systemLog } from "../logs.ts";
import type { Caller, Ports } from "../ports.ts";
import { resolveRevision } from "../revisions.ts";
import { progressOf } from "./imports.ts";
import { drop, isOpen, type Open, readOpen, readTold, tellProgress, trimTold } from "./records.ts";

const LEASE_SECONDS = 90;
const IDLE_SECONDS = 15;
const BACKOFF_MS = 10_000;
const BACKOFF_MS_MAX = 900_000;
/** A repository that is not there by then is not in the trash any more, either. */
const LEFT_MS = 31 * 86_400_000;
/** After so many failures somebody has to look at it. */
const FAILURES_MAX = 8;

type Candidate = Open & { repository: RepositoryName; known: Import };

/** The oldest that this executor may do, whose repository nobody imports into, and whose time has come. */
export async function leaseImport(ports: Ports, caller: Caller, { executor, rules }: ImportLeaseRequest): Promise<ImportLease> {
  for (const { repositoryId, repository, record, known } of await candidatesFor(ports, caller, rules)) {
    const lease = toHex(ports.random.bytes(8));
    const fence = await ports.leases.acquire(nameOf(repositoryId), lease, LEASE_SECONDS * 1000);
    if (fence === null) continue;
    // It may have been done since it was listed.
    if (!(await isOpen(ports, repositoryId, record.id))) {
      await ports.leases.release(nameOf(repositoryId), lease);
      continue;
    }
    await tellProgress(ports, repositoryId, { ...known, state: "running", executor, againAt: null, changedAt: isoTime(ports.clock.now()) });
    return { task: { ...record, repository, lease, fence, leaseSeconds: LEASE_SECONDS }, waitSeconds: 0 };
  }
  return { task: null, waitSeconds: IDLE_SECONDS };
}

async function candidatesFor(ports: Ports, caller: Caller, rules: ImportLeaseRequest["rules"]): Promise<Candidate[]> {
  const open = await readOpen(ports);
  const ids = [...new Set(open.map(({ repositoryId }) => repositoryId))];
  if (ids.length === 0) return [];
  const names = await withWhole(systemLog(ports), () => ports.system.namesOf(ids));
  const told = new Map((await readTold(ports, ids)).map((one, at) => [ids[at], one]));
  const nowMs = ports.clock.now();
  for (const { repositoryId, record } of open) {
    const isLeft = !names.has(repositoryId) && nowMs - epochMs(record.requestedAt) > LEFT_MS;
    if (isLeft) await drop(ports, repositoryId, record.id);
  }
  return open.flatMap((one): Candidate[] => {
    const repository = names.get(one.repositoryId);
    if (repository === undefined || !may(caller, "push", repository)) return [];
    if (!isImportAllowed(rules, { from: one.record.from, repository }, matchesGlob)) return [];
    const known = progressOf(one.record, told.get(one.repositoryId)?.get(one.record.id));
    return known.againAt !== null && epochMs(known.againAt) > nowMs ? [] : [{ ...one, repository, known }];
  });
}

/** Throws TASK_LOST. */
export async function extendImport(ports: Ports, { id }: RepositorySummary, operationId: OperationId, { lease, fence }: ImportHeld) {
  const held = await ports.leases.acquire(nameOf(id), lease, LEASE_SECONDS * 1000);
  if (held === fence && (await isOpen(ports, id, operationId))) return { leaseSeconds: LEASE_SECONDS };
  if (held !== null) await ports.leases.release(nameOf(id), lease);
  throw new FerryError("TASK_LOST", { task: operationId });
}

/** Throws TASK_LOST, and REF_UNKNOWN for a revision that is not there. */
export async function finishImport(
  ports: Ports,
  repository: RepositorySummary,
  operationId: OperationId,
  { lease, fence, ...outcome }: ImportOutcome,
): Promise<Import> {
  await extendImport(ports, repository, operationId, { lease, fence });
  const open = await readOpen(ports, importsPrefix(repository.id));
  const record = open.find(({ record }) => record.id === operationId)?.record;
  if (record === undefined) throw new FerryError("TASK_LOST", { task: operationId });
  const [told] = await readTold(ports, [repository.id]);
  const known = progressOf(record, told?.get(operationId));
  const ended = outcome.problem === undefined ? await doneAs(ports, repository, known, outcome) : failedAs(ports, known, outcome);
  await tellProgress(ports, repository.id, ended);
  if (ended.state !== "retrying") {
    await tellEnd(ports, repository, ended);
    await drop(ports, repository.id, operationId);
    await trimTold(ports, repository.id);
  }
  await ports.leases.release(nameOf(repository.id), lease);
  return ended;
}

type Outcome = Omit<ImportOutcome, "lease" | "fence">;

async function doneAs(ports: Ports, repository: RepositorySummary, known: Import, outcome: Outcome): Promise<Import> {
  const { revision = "", unchanged, files, bytes } = outcome;
  const entry = await resolveRevision(ports, repository, revision);
  const state = unchanged ? "unchanged" : "done";
  return { ...known, state, revision: entry.revision, files, bytes, problem: null, changedAt: isoTime(ports.clock.now()) };
}

function failedAs(ports: Ports, known: Import, { problem = "", again }: Outcome): Import {
  const nowMs = ports.clock.now();
  const failures = known.failures + 1;
  const isOver = !again || failures >= FAILURES_MAX;
  const againAt = isOver ? null : isoTime(nowMs + Math.min(BACKOFF_MS_MAX, BACKOFF_MS * 2 ** failures));
  return { ...known, state: isOver ? "failed" : "retrying", failures, problem, againAt, changedAt: isoTime(nowMs) };
}

/** Before it is forgotten: told twice it is the same event. */
async function tellEnd(ports: Ports, { id: repositoryId }: RepositorySummary, { id, from, state, ...ended }: Import): Promise<void> {
  const { revision, files, bytes, problem, failures } = ended;
  if (state === "failed") {
    const about = { job: id, from, problem: problem ?? "", failures };
    await tell(ports, { type: "import.failed", id: `import-failed-${id}`, repositoryId, about });
  } else {
    const about = { job: id, from, state, revision: revision ?? "", files, bytes };
    await tell(ports, { type: "import.completed", id: `import-completed-${id}`, repositoryId, about });
  }
}

function nameOf(id: RepositorySummary["id"]): string {
  return `import-${id}`;
}
