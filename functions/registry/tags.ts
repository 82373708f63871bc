/** Tags and branches by hand: compare-and-set moves, removals. */
import type { RepositorySummary, Tag } from "../../shared/contract/repositories.ts";
import { DEFAULT_BRANCH } from "../../shared/contract/repositories.ts";
import { FerryError } from "../../shared/errors.ts";
import type { OperationId, RefName, RevisionId } from "../../shared/names.ts";
import { append, type Body } from "./log.ts";
import { repositoryLog } from "./logs.ts";
import type { Caller, Ports } from "./ports.ts";
import type { RepositoryRecord } from "./records.ts";
import { resolveRevision } from "./revisions.ts";

type SetTag = { ref: string; expected?: RevisionId | null | undefined; force: boolean; message: string; operationId: OperationId };

/** Points a tag at what `ref` names. Without `expected` or `force` the tag must be new. Throws TAG_EXISTS, TAG_MOVED, REF_UNKNOWN. */
export async function setTag(ports: Ports, caller: Caller, repository: RepositorySummary, tag: RefName, request: SetTag): Promise<Tag> {
  const { revision } = await resolveRevision(ports, repository, request.ref);
  const act = { operationId: request.operationId, actor: caller.name };
  const record = await append(repositoryLog(ports, repository.id), act, async (): Promise<Body<RepositoryRecord>> => {
    const { branches, tags, tagSeqs, lockedTags } = await ports.repositories.refs(repository.id);
    if (branches[tag] !== undefined) throw new FerryError("REQUEST_INVALID", { problem: `tag: ${tag} is a branch` });
    const current = tags[tag] ?? null;
    checkTag(tag, current, request);
    if (lockedTags.includes(tag)) throw new FerryError("TAG_LOCKED", { tag });
    return {
      op: "tag",
      repositoryId: repository.id,
      tag,
      revision,
      from: current,
      fromSeq: tagSeqs[tag] ?? null,
      message: request.message,
    };
  });
  if (record.op !== "tag") throw new FerryError("REQUEST_INVALID", { problem: "operationId: it was used for another act" });
  return { tag: record.tag, revision: record.revision, seq: record.seq };
}

function checkTag(tag: RefName, current: RevisionId | null, { expected, force }: SetTag): void {
  if (expected === undefined && !force && current !== null) throw new FerryError("TAG_EXISTS", { tag, current });
  if (expected !== undefined && current !== expected) {
    throw new FerryError("TAG_MOVED", { tag, current: current ?? "nothing", expected: expected ?? "nothing" });
  }
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
  await append(repositoryLog(ports, repository.id), act, async (): Promise<Body<RepositoryRecord>> => {
    const { tags, lockedTags } = await ports.repositories.refs(repository.id);
    const from = tags[tag];
    if (from !== undefined && lockedTags.includes(tag)) throw new FerryError("TAG_LOCKED", { tag });
    if (from === undefined) throw new FerryError("TAG_UNKNOWN", { repository: repository.repository, tag });
    if (removal.expected !== undefined && removal.expected !== from)
      throw new FerryError("TAG_MOVED", { tag, current: from, expected: removal.expected });
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
  await append(repositoryLog(ports, repository.id), act, async (): Promise<Body<RepositoryRecord>> => {
    const from = (await ports.repositories.refs(repository.id)).branches[branch];
    if (from === undefined) throw new FerryError("BRANCH_UNKNOWN", { repository: repository.repository, branch });
    if (removal.expected !== undefined && removal.expected !== from) {
      throw new FerryError("BRANCH_MOVED", { branch, current: from, expected: removal.expected });
    }
    return { op: "unbranch", repositoryId: repository.id, branch, from };
  });
}
