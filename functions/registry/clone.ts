/**
 * New revisions on manifests that are there: clones into other repositories, and branches put back to older revisions. No chunk is
 * copied: the new envelope has the source's placement, and from its publication on collection sees the chunks as wanted twice.
 */
import type { CloneRequest, RestoreRequest } from "../../shared/contract/lifecycle.ts";
import type { Origin, RepositorySummary, RevisionSummary } from "../../shared/contract/repositories.ts";
import { RESERVE_PAGE_MAX } from "../../shared/contract/uploads.ts";
import { type Digest, toHex } from "../../shared/digest.ts";
import { FerryError } from "../../shared/errors.ts";
import { OperationId, type RefName, type RepositoryName, type RevisionId } from "../../shared/names.ts";
import { demand } from "./access.ts";
import { findAct } from "./acts.ts";
import { demandUnblocked } from "./blocks.ts";
import { isClaimed } from "./claimed.ts";
import type { OpenEnvelope } from "./envelopes.ts";
import { condemnedOf } from "./intents.ts";
import { livingState, valueAt } from "./living.ts";
import { catchUp } from "./log.ts";
import { repositoryLog } from "./logs.ts";
import type { Caller, Ports, RepositoryState, RevisionEntry } from "./ports.ts";
import { publishRevision, summaryOfRecord } from "./publish.ts";
import { createRepository, findRepository, getRepository } from "./repositories.ts";
import { envelopeOf, resolveRevision } from "./revisions.ts";

type Copy = { branch: RefName; expected?: RevisionId | null | undefined; message: string; operationId: OperationId };
type Place = { sha256: Digest; size: number; tag: string };
type Original = { repository: RepositorySummary; revision: RevisionEntry; envelope: OpenEnvelope };

/**
 * A revision of `from` as a new one of `target`, which is made when there is none. The caller may push to the target; the right to the
 * content goes through the source repository, as for every chunk that is not sent.
 */
export async function cloneRevision(ports: Ports, caller: Caller, target: RepositoryName, request: CloneRequest): Promise<RevisionSummary> {
  const found = await findRepository(ports, target);
  const done = found === null ? null : await findCopy(ports, caller, found, request);
  if (done !== null) return done;
  demand(caller, "pull", request.from);
  const source = await getRepository(ports, request.from);
  demandUnblocked(source);
  const original = await openOriginal(ports, source, request.ref);
  await refuseUnusable(ports, original, target);
  const repository = found ?? (await makeTarget(ports, caller, target, request.operationId));
  return copyRevision(ports, caller, repository, original, request);
}

/** An older revision once more, on top of a branch, or as the first of a new one. */
export async function restoreBranch(
  ports: Ports,
  caller: Caller,
  repository: RepositorySummary,
  branch: RefName,
  request: RestoreRequest,
): Promise<RevisionSummary> {
  const copy = { ...request, branch };
  const done = await findCopy(ports, caller, repository, copy);
  if (done !== null) return done;
  const original = await openOriginal(ports, repository, request.ref);
  await refuseUnusable(ports, original, repository.repository);
  return copyRevision(ports, caller, repository, original, copy);
}

async function findCopy(ports: Ports, caller: Caller, repository: RepositorySummary, copy: Copy): Promise<RevisionSummary | null> {
  const act = { operationId: copy.operationId, actor: caller.name };
  const kind = {
    op: "commit" as const,
    isSame: ({ branch, origin }: { branch: RefName; origin: Origin | null }) => branch === copy.branch && origin !== null,
  };
  const record = await findAct(repositoryLog(ports, repository.id), act, kind);
  return record === null ? null : summaryOfRecord(record);
}

/**
 * Reads the log to its tail first: what an index that was set back still calls living may have been purged, and its chunks deleted, longer
 * ago than intents are kept.
 */
async function openOriginal(ports: Ports, repository: RepositorySummary, ref: string): Promise<Original> {
  await catchUp(repositoryLog(ports, repository.id));
  const revision = await resolveRevision(ports, repository, ref);
  return { repository, revision, envelope: await envelopeOf(ports, repository, revision) };
}

/** Throws CHUNK_CONDEMNED, REVISION_UNVERIFIED. */
async function refuseUnusable(ports: Ports, { repository, revision, envelope }: Original, target: RepositoryName): Promise<void> {
  const places = placesOf(envelope);
  const condemned = await condemnedOf(ports, places);
  if (condemned.length > 0) throw new FerryError("CHUNK_CONDEMNED", { revision: revision.revision, count: condemned.length });
  if (repository.repository === target) return;
  const count = await countUnverified(ports, places);
  if (count > 0) throw new FerryError("REVISION_UNVERIFIED", { revision: revision.revision, count });
}

async function countUnverified(ports: Ports, places: readonly Place[]): Promise<number> {
  const claimed = places.filter(({ tag }) => isClaimed(tag));
  let count = 0;
  for (let at = 0; at < claimed.length; at += RESERVE_PAGE_MAX) {
    const page = claimed.slice(at, at + RESERVE_PAGE_MAX);
    const entries = await ports.chunks.find(page.map(({ sha256 }) => sha256));
    count += page.filter(({ tag }, i) => !(entries[i]?.verified && entries[i]?.tag === tag)).length;
  }
  return count;
}

/** Its own act in another log, by an operation id of its own: one clone's id may serve for several targets. */
async function makeTarget(ports: Ports, caller: Caller, target: RepositoryName, clone: OperationId): Promise<RepositorySummary> {
  const operationId = OperationId.parse(toHex((await ports.keyed.mac("clone", target, clone)).subarray(0, 16)));
  await createRepository(ports, caller, { repository: target, operationId }).catch((error: unknown) => {
    if (!(error instanceof FerryError) || error.code !== "REPOSITORY_EXISTS") throw error;
  });
  return getRepository(ports, target);
}

async function copyRevision(
  ports: Ports,
  caller: Caller,
  repository: RepositorySummary,
  { repository: from, revision, envelope }: Original,
  copy: Copy,
): Promise<RevisionSummary> {
  const { branch, message, operationId } = copy;
  const state = await livingState(ports, repository);
  const parent = parentOf(state, copy);
  try {
    const { record } = await publishRevision(ports, {
      repository,
      author: caller.name,
      operationId,
      sinceSeq: state.seq,
      attempt: 1,
      branch,
      parent,
      message,
      labels: revision.labels,
      metrics: revision.metrics,
      source: revision.source,
      content: revision.content ?? null,
      origin: { repositoryId: from.id, revision: revision.revision },
      manifest: envelope.manifest,
      places: placesOf(envelope),
      newBytes: 0,
      newChunks: 0,
    });
    return summaryOfRecord(record);
  } catch (error) {
    const landed = error instanceof FerryError && !error.retryable ? await findCopy(ports, caller, repository, copy) : null;
    if (landed !== null) return landed;
    if (!(error instanceof FerryError) || error.code !== "CHUNK_UNPROVEN") throw error;
    throw new FerryError("CHUNK_CONDEMNED", { revision: revision.revision, count: error.details["count"] }, { cause: error });
  }
}

/** The head that the branch has and is expected to have; null: there is none. */
function parentOf({ tags, branches }: RepositoryState, { branch, expected }: Copy): RevisionId | null {
  if (valueAt(tags, branch) !== undefined) throw new FerryError("REQUEST_INVALID", { problem: `branch: ${branch} is a tag` });
  const head = valueAt(branches, branch) ?? null;
  const parent = expected === undefined ? head : expected;
  if (parent !== head) throw new FerryError("BRANCH_MOVED", { branch, current: head ?? "nothing", expected: parent ?? "nothing" });
  return parent;
}

/** Sorted by digest, as envelopes are. */
function placesOf({ places }: OpenEnvelope): Place[] {
  return [...places].map(([sha256, { size, tag }]) => ({ sha256, size, tag }));
}
