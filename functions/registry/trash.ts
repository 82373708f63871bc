/**
 * The trash of a repository: revisions go in, come out, or are purged. In the trash a revision can't be read or named, yet all of it
 * stays: its envelope is a root of collection until the record that purges it. All acts are in one log, so whoever of a tag, a restore
 * and a purge comes second sees what the first did.
 */
import {
  type PurgeAnswer,
  type PurgeRequest,
  SEARCH_REVISIONS_MAX,
  TRASH_DAYS,
  type TrashAnswer,
  type TrashRequest,
  type UntrashRequest,
} from "../../shared/contract/lifecycle.ts";
import type { RepositorySummary } from "../../shared/contract/repositories.ts";
import { FerryError } from "../../shared/errors.ts";
import type { RevisionId } from "../../shared/names.ts";
import { epochMs, isoTime } from "../../shared/time.ts";
import { may } from "./access.ts";
import { actOnce } from "./acts.ts";
import { seqOfCursor, walkHistory } from "./history.ts";
import { demandLiving, knownRevisions, livingState } from "./living.ts";
import type { Body } from "./log.ts";
import { repositoryLog } from "./logs.ts";
import type { Caller, Ports, RepositoryState, RevisionEntry } from "./ports.ts";
import { REVISIONS_MAX, type RepositoryRecord } from "./records.ts";

const DAY_MS = 86_400_000;

type Named = { revisions: readonly RevisionId[] };

/** An act on these revisions, as `actOnce` compares it. */
function onRevisions<O extends "delete" | "undelete" | "purge">(op: O, revisions: readonly RevisionId[]) {
  return { op, isSame: (record: Named) => sorted(record.revisions).join() === sorted(revisions).join() };
}

/** Throws REVISION_IN_USE for heads of branches and tagged revisions, REVISION_DELETED, REVISION_UNKNOWN. All of them, or none. */
export async function trashRevisions(
  ports: Ports,
  caller: Caller,
  repository: RepositorySummary,
  { revisions, reason, operationId }: TrashRequest,
): Promise<TrashAnswer> {
  const act = { operationId, actor: caller.name };
  const kind = onRevisions("delete", revisions);
  const record = await actOnce(repositoryLog(ports, repository.id), act, kind, async (_, ports): Promise<Body<RepositoryRecord>> => {
    const names = namesIn(await livingState(ports, repository));
    for (const { revision } of (await knownRevisions(ports, repository, revisions)).map(demandLiving)) {
      const ref = names.get(revision);
      if (ref !== undefined) throw new FerryError("REVISION_IN_USE", { revision, ref });
    }
    return { op: "delete", repositoryId: repository.id, revisions: sorted(revisions), reason };
  });
  return { revisions: record.revisions };
}

/** What names each revision that a ref names: `branch main`, `tag v1`. */
function namesIn({ branches, tags }: Pick<RepositoryState, "branches" | "tags">): Map<RevisionId, string> {
  const names = new Map<RevisionId, string>();
  for (const [tag, revision] of Object.entries(tags)) names.set(revision, `tag ${tag}`);
  for (const [branch, revision] of Object.entries(branches)) names.set(revision, `branch ${branch}`);
  return names;
}

/** Throws REVISION_NOT_DELETED, and REVISION_UNKNOWN for what was purged: that can't be undone. */
export async function restoreRevisions(
  ports: Ports,
  caller: Caller,
  repository: RepositorySummary,
  { revisions, operationId }: UntrashRequest,
): Promise<TrashAnswer> {
  const act = { operationId, actor: caller.name };
  const kind = onRevisions("undelete", revisions);
  const record = await actOnce(repositoryLog(ports, repository.id), act, kind, async (_, ports): Promise<Body<RepositoryRecord>> => {
    await livingState(ports, repository);
    for (const entry of await knownRevisions(ports, repository, revisions)) deletionOf(entry);
    return { op: "undelete", repositoryId: repository.id, revisions: sorted(revisions) };
  });
  return { revisions: record.revisions };
}

/**
 * For good: from the next collection on their chunks are gone, unless other revisions name them. Throws TRASH_TOO_YOUNG before 14 days,
 * unless an administrator of the repository says `now`.
 */
export async function purgeRevisions(
  ports: Ports,
  caller: Caller,
  repository: RepositorySummary,
  request: PurgeRequest,
): Promise<PurgeAnswer> {
  if (request.now && !may(caller, "admin", repository.repository))
    throw new FerryError("PERMISSION_DENIED", { action: "purge at once in", repository: repository.repository });
  const act = { operationId: request.operationId, actor: caller.name };
  const kind = request.revisions === undefined ? ({ op: "purge" } as const) : onRevisions("purge", request.revisions);
  let plan: PurgeAnswer | null = null;
  const record = await actOnce(
    repositoryLog(ports, repository.id),
    act,
    kind,
    async (at, ports): Promise<Body<RepositoryRecord> | null> => {
      await livingState(ports, repository);
      const before = request.now ? Number.POSITIVE_INFINITY : epochMs(at) - TRASH_DAYS * DAY_MS;
      plan = await planPurge(ports, repository, request, before);
      return plan.revisions.length === 0 ? null : { op: "purge", repositoryId: repository.id, revisions: plan.revisions };
    },
  );
  return answerOf(record?.revisions ?? [], record?.seq, plan, request);
}

/** An answer that is repeated does not know how far the walk went: it sends the caller over the same stretch again. */
function answerOf(
  revisions: RevisionId[],
  seq: number | undefined,
  plan: PurgeAnswer | null,
  { revisions: named, cursor }: PurgeRequest,
): PurgeAnswer {
  if (named !== undefined) return { revisions, next: null };
  return { revisions, next: plan === null && seq !== undefined ? (cursor ?? String(seq)) : (plan?.next ?? null) };
}

async function planPurge(ports: Ports, repository: RepositorySummary, request: PurgeRequest, beforeMs: number): Promise<PurgeAnswer> {
  if (request.revisions === undefined) return gatherOld(ports, repository, request.cursor, beforeMs);
  for (const entry of await knownRevisions(ports, repository, request.revisions)) {
    const deletedAt = deletionOf(entry);
    if (epochMs(deletedAt) > beforeMs) throw tooYoung(`revision ${entry.revision}`, deletedAt);
  }
  return { revisions: sorted(request.revisions), next: null };
}

export function tooYoung(what: string, deletedAt: string): FerryError {
  return new FerryError("TRASH_TOO_YOUNG", { what, deletedAt, days: TRASH_DAYS });
}

/** When what is in the trash since `deletedAt` may be purged. */
export function purgeableAt(deletedAt: string): string {
  return isoTime(epochMs(deletedAt) + TRASH_DAYS * DAY_MS);
}

async function gatherOld(ports: Ports, repository: RepositorySummary, cursor: string | undefined, beforeMs: number): Promise<PurgeAnswer> {
  const before = cursor === undefined ? undefined : seqOfCursor(cursor);
  const revisions: RevisionId[] = [];
  let [looked, last] = [0, 0];
  for await (const page of walkHistory(ports, repository.id, { before, limit: SEARCH_REVISIONS_MAX })) {
    for (const { revision, deletedAt, seq } of page) {
      looked++;
      last = seq;
      if (deletedAt !== null && epochMs(deletedAt) <= beforeMs) revisions.push(revision);
      if (revisions.length === REVISIONS_MAX) return { revisions: sorted(revisions), next: String(last) };
    }
  }
  return { revisions: sorted(revisions), next: looked < SEARCH_REVISIONS_MAX ? null : String(last) };
}

/** Since when a revision is in the trash. Throws REVISION_NOT_DELETED. */
function deletionOf({ revision, deletedAt }: RevisionEntry): string {
  if (deletedAt === null) throw new FerryError("REVISION_NOT_DELETED", { revision });
  return deletedAt;
}

/** Each once. */
function sorted(revisions: readonly RevisionId[]): RevisionId[] {
  return [...new Set(revisions)].sort();
}
