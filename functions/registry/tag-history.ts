/** Where a tag has pointed: each record that moved it names the one before. And one step back along that chain. */
import type { RollbackRequest, TagHistory } from "../../shared/contract/lifecycle.ts";
import type { RepositorySummary, Tag } from "../../shared/contract/repositories.ts";
import { FerryError } from "../../shared/errors.ts";
import type { RefName, RevisionId } from "../../shared/names.ts";
import { actOnce } from "./acts.ts";
import { seqOfCursor } from "./history.ts";
import { knownRevision, livingState, valueAt } from "./living.ts";
import { type Body, catchUp, readRecord } from "./log.ts";
import { repositoryLog } from "./logs.ts";
import type { Caller, Ports } from "./ports.ts";
import type { RepositoryRecord } from "./records.ts";
import { demandSigned } from "./signatures.ts";
import { checkTag, movedTag, onTag, tagIn } from "./tags.ts";

type Move = Extract<RepositoryRecord, { op: "tag" }>;

/** Moves that set a tag to what it points at already; a rollback looks no further back. */
const SAME_MOVES_MAX = 100;

/** One record of the log is read for each entry. */
export async function readTagHistory(
  ports: Ports,
  repository: RepositorySummary,
  tag: RefName,
  { cursor, limit }: { cursor?: string | undefined; limit: number },
): Promise<TagHistory> {
  const newest = cursor === undefined ? await newestMove(ports, repository, tag) : seqOfCursor(cursor);
  const entries: TagHistory["entries"] = [];
  for await (const { seq, revision, from, fromSeq, message, actor, at } of movesFrom(ports, repository, tag, newest)) {
    entries.push({ seq, revision, from, message, author: actor, time: at });
    if (entries.length === limit) return { tag, entries, next: fromSeq === null ? null : String(fromSeq) };
  }
  return { tag, entries, next: null };
}

/** Points a tag at the revision it pointed at before. Throws TAG_UNMOVED, TAG_MOVED, TAG_LOCKED, REVISION_DELETED, REVISION_UNKNOWN, SIGNATURE_MISSING. */
export async function rollbackTag(
  ports: Ports,
  caller: Caller,
  repository: RepositorySummary,
  tag: RefName,
  { expected, message, operationId }: RollbackRequest,
): Promise<Tag> {
  const act = { operationId, actor: caller.name };
  const record = await actOnce(
    repositoryLog(ports, repository.id),
    act,
    onTag("tag", tag),
    async (_, ports): Promise<Body<RepositoryRecord>> => {
      const state = await livingState(ports, repository);
      const current = tagIn(repository, state, tag);
      if (expected !== undefined) checkTag(tag, current, { expected, force: false });
      const revision = await earlierOf(ports, repository, tag, { current, seq: valueAt(state.tagSeqs, tag) ?? 0 });
      const entry = await knownRevision(ports, repository, revision);
      await demandSigned(ports, repository, state, tag, entry);
      return movedTag(repository, state, entry, { tag, message });
    },
  );
  return { tag: record.tag, revision: record.revision, seq: record.seq };
}

async function earlierOf(
  ports: Ports,
  repository: RepositorySummary,
  tag: RefName,
  { current, seq }: { current: RevisionId; seq: number },
): Promise<RevisionId> {
  let left = SAME_MOVES_MAX;
  for await (const { revision } of movesFrom(ports, repository, tag, seq)) {
    if (revision !== current) return revision;
    if (--left === 0) break;
  }
  throw new FerryError("TAG_UNMOVED", { tag, current });
}

async function newestMove(ports: Ports, repository: RepositorySummary, tag: RefName): Promise<number> {
  const state = await livingState(ports, repository);
  const seq = valueAt(state.tagSeqs, tag);
  if (seq !== undefined) return seq;
  // Absence is confirmed in the bucket before anybody hears of it.
  await catchUp(repositoryLog(ports, repository.id));
  const confirmed = await livingState(ports, repository);
  tagIn(repository, confirmed, tag);
  return valueAt(confirmed.tagSeqs, tag) ?? 0;
}

/** The moves of a tag from record `seq` back. Throws REQUEST_INVALID when that is no move of this tag: a cursor is somebody's text. */
async function* movesFrom(ports: Ports, repository: RepositorySummary, tag: RefName, seq: number): AsyncGenerator<Move> {
  const log = repositoryLog(ports, repository.id);
  const { seq: tail } = await livingState(ports, repository);
  for (let at: number | null = seq; at !== null; ) {
    const record: RepositoryRecord | null = at >= 1 && at <= tail ? await readRecord(log, log.key(at)) : null;
    if (record?.op !== "tag" || record.tag !== tag) throw new FerryError("REQUEST_INVALID", { problem: "cursor: not one of ours" });
    yield record;
    at = record.fromSeq;
  }
}
