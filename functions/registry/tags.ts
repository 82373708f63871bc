/** Tags and branches by hand: compare-and-set moves, locks, removals. */
import { DEFAULT_BRANCH, type RepositorySummary, type Tag } from "../../shared/contract/repositories.ts";
import { FerryError } from "../../shared/errors.ts";
import type { OperationId, RefName, RevisionId } from "../../shared/names.ts";
import { actOnce } from "./acts.ts";
import { demandLiving, livingState, namedIn, namedRevision, valueAt } from "./living.ts";
import type { Body } from "./log.ts";
import { repositoryLog } from "./logs.ts";
import type { Caller, Ports, RepositoryState, RevisionEntry } from "./ports.ts";
import type { RepositoryRecord } from "./records.ts";
import { demandSigned } from "./signatures.ts";

type SetTag = {
  ref: string;
  expected?: RevisionId | null | undefined;
  expectedRef?: string | undefined;
  force: boolean;
  message: string;
  operationId: OperationId;
};

/** An act on one tag, as `actOnce` compares it. */
export function onTag<O extends "tag" | "untag" | "lock" | "unlock">(op: O, tag: RefName) {
  return { op, isSame: (record: { tag: RefName }) => record.tag === tag };
}

/**
 * Points a tag at what `ref` names. Without an expectation or `force` the tag must be new. Throws TAG_EXISTS, TAG_MOVED, TAG_LOCKED,
 * REF_UNKNOWN, REVISION_DELETED, SIGNATURE_MISSING.
 */
export async function setTag(ports: Ports, caller: Caller, repository: RepositorySummary, tag: RefName, request: SetTag): Promise<Tag> {
  if (request.expected !== undefined && request.expectedRef !== undefined)
    throw new FerryError("REQUEST_INVALID", { problem: "expectedRef: expected is given, too" });
  const act = { operationId: request.operationId, actor: caller.name };
  const record = await actOnce(
    repositoryLog(ports, repository.id),
    act,
    onTag("tag", tag),
    async (_, ports): Promise<Body<RepositoryRecord>> => {
      const state = await livingState(ports, repository);
      if (valueAt(state.branches, tag) !== undefined) throw new FerryError("REQUEST_INVALID", { problem: `tag: ${tag} is a branch` });
      checkTag(tag, valueAt(state.tags, tag) ?? null, expectationOf(repository, state, request));
      const entry = await namedRevision(ports, repository, state, request.ref);
      await demandSigned(ports, repository, state, tag, entry);
      return movedTag(repository, state, entry, { tag, message: request.message });
    },
  );
  return { tag: record.tag, revision: record.revision, seq: record.seq };
}

/** The record that points a tag at a living revision; its `fromSeq` makes the tag's history a chain. Throws TAG_LOCKED. */
export function movedTag(
  repository: RepositorySummary,
  { tags, tagSeqs, lockedTags }: RepositoryState,
  entry: RevisionEntry,
  move: { tag: RefName; message: string },
): Body<RepositoryRecord> {
  if (lockedTags.includes(move.tag)) throw new FerryError("TAG_LOCKED", { tag: move.tag });
  const { revision } = demandLiving(entry);
  const from = valueAt(tags, move.tag) ?? null;
  return { op: "tag", repositoryId: repository.id, ...move, revision, from, fromSeq: valueAt(tagSeqs, move.tag) ?? null };
}

type Expectation = { expected: RevisionId | null | undefined; force: boolean };

function expectationOf(repository: RepositorySummary, state: RepositoryState, { expected, expectedRef, force }: SetTag): Expectation {
  return { expected: expectedRef === undefined ? expected : namedIn(repository, state, expectedRef), force };
}

export function checkTag(tag: RefName, current: RevisionId | null, { expected, force }: Expectation): void {
  if (expected === undefined && !force && current !== null) throw new FerryError("TAG_EXISTS", { tag, current });
  if (expected !== undefined && current !== expected) {
    throw new FerryError("TAG_MOVED", { tag, current: current ?? "nothing", expected: expected ?? "nothing" });
  }
}

/** What a tag points at. Throws TAG_UNKNOWN. */
export function tagIn(repository: RepositorySummary, { tags }: RepositoryState, tag: RefName): RevisionId {
  const revision = valueAt(tags, tag);
  if (revision === undefined) throw new FerryError("TAG_UNKNOWN", { repository: repository.repository, tag });
  return revision;
}

/** A locked tag can't be moved or removed. Locking a locked tag changes nothing. */
export async function lockTag(
  ports: Ports,
  caller: Caller,
  repository: RepositorySummary,
  tag: RefName,
  operationId: OperationId,
): Promise<{ tag: RefName; locked: boolean }> {
  const act = { operationId, actor: caller.name };
  await actOnce(repositoryLog(ports, repository.id), act, onTag("lock", tag), async (_, ports): Promise<Body<RepositoryRecord> | null> => {
    const state = await livingState(ports, repository);
    tagIn(repository, state, tag);
    return state.lockedTags.includes(tag) ? null : { op: "lock", repositoryId: repository.id, tag };
  });
  return { tag, locked: true };
}

export async function unlockTag(
  ports: Ports,
  caller: Caller,
  repository: RepositorySummary,
  tag: RefName,
  operationId: OperationId,
): Promise<void> {
  const act = { operationId, actor: caller.name };
  await actOnce(
    repositoryLog(ports, repository.id),
    act,
    onTag("unlock", tag),
    async (_, ports): Promise<Body<RepositoryRecord> | null> => {
      const state = await livingState(ports, repository);
      tagIn(repository, state, tag);
      return state.lockedTags.includes(tag) ? { op: "unlock", repositoryId: repository.id, tag } : null;
    },
  );
}

type Removal = { operationId: OperationId; expected?: RevisionId | undefined };

export async function deleteTag(
  ports: Ports,
  caller: Caller,
  repository: RepositorySummary,
  tag: RefName,
  removal: Removal,
): Promise<void> {
  const act = { operationId: removal.operationId, actor: caller.name };
  await actOnce(repositoryLog(ports, repository.id), act, onTag("untag", tag), async (_, ports): Promise<Body<RepositoryRecord>> => {
    const state = await livingState(ports, repository);
    const from = tagIn(repository, state, tag);
    if (state.lockedTags.includes(tag)) throw new FerryError("TAG_LOCKED", { tag });
    if (removal.expected !== undefined) checkTag(tag, from, { expected: removal.expected, force: false });
    return { op: "untag", repositoryId: repository.id, tag, from };
  });
}

/** Its revisions stay and can be reached by id. */
export async function deleteBranch(
  ports: Ports,
  caller: Caller,
  repository: RepositorySummary,
  branch: RefName,
  removal: Removal,
): Promise<void> {
  if (branch === DEFAULT_BRANCH) throw new FerryError("BRANCH_NOT_DELETABLE", { branch });
  const act = { operationId: removal.operationId, actor: caller.name };
  const kind = { op: "unbranch" as const, isSame: (record: { branch: RefName }) => record.branch === branch };
  await actOnce(repositoryLog(ports, repository.id), act, kind, async (_, ports): Promise<Body<RepositoryRecord>> => {
    const from = valueAt((await livingState(ports, repository)).branches, branch);
    if (from === undefined) throw new FerryError("BRANCH_UNKNOWN", { repository: repository.repository, branch });
    if (removal.expected !== undefined && removal.expected !== from) {
      throw new FerryError("BRANCH_MOVED", { branch, current: from, expected: removal.expected });
    }
    return { op: "unbranch", repositoryId: repository.id, branch, from };
  });
}
