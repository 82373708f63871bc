/**
 * The deployment's trash: whole repositories, by id, since their names are free.
 *
 * A purge is two records in two logs. First `repository.purge` in the system log, where a restore would stand too: of the two one comes
 * first, and after a purge nothing can make the repository live again. Only then `end` in the repository's own log, which is what takes
 * its envelopes from the roots of collection. So a crash in between leaves nothing live unprotected. And it leaves nothing for ever: a
 * note is in the bucket from before the first record until after the second, and whoever finds it finishes.
 */
import * as z from "zod";
import { TRASH_DAYS, type TrashPage } from "../../shared/contract/lifecycle.ts";
import { RepositoryId, type RepositorySummary } from "../../shared/contract/repositories.ts";
import { toHex } from "../../shared/digest.ts";
import { FerryError } from "../../shared/errors.ts";
import { OperationId, type RepositoryName } from "../../shared/names.ts";
import { epochMs } from "../../shared/time.ts";
import { demand, demandDeployment, may } from "./access.ts";
import { actOnce, findAct } from "./acts.ts";
import { PURGE_NOTE_PREFIX, purgeNoteKey } from "./layout.ts";
import { listAll } from "./listing.ts";
import { type Body, catchUp, findConfirmed, withWhole } from "./log.ts";
import { repositoryLog, systemLog } from "./logs.ts";
import type { Caller, Ports, RepositoryState, TrashedRepository } from "./ports.ts";
import { decodeRecord, encodeRecord, type RepositoryRecord, type SystemRecord } from "./records.ts";
import { getRepository, PAGE } from "./repositories.ts";
import { purgeableAt, tooYoung } from "./trash.ts";

const DAY_MS = 86_400_000;

/** In order of id; only what the caller may delete, by the name it had. */
export async function listTrash(ports: Ports, caller: Caller, query: { cursor?: string | undefined; limit: number }): Promise<TrashPage> {
  const repositories: TrashPage["repositories"] = [];
  let after = query.cursor;
  for (let limit = query.limit; ; limit = PAGE) {
    const page = await withWhole(systemLog(ports), () => ports.system.listTrash({ after, limit }));
    for (const entry of page) {
      after = entry.id;
      if (!may(caller, "delete", entry.repository)) continue;
      repositories.push({ ...entry, purgeableAt: purgeableAt(entry.deletedAt) });
      if (repositories.length === query.limit) return { repositories, next: after };
    }
    if (page.length < limit) return { repositories, next: null };
  }
}

/** Under its old name, or another one that the caller may push to. Throws REPOSITORY_EXISTS, and REPOSITORY_UNKNOWN for what was purged. */
export async function restoreRepository(
  ports: Ports,
  caller: Caller,
  id: RepositoryId,
  request: { repository?: RepositoryName | undefined; operationId: OperationId },
): Promise<RepositorySummary> {
  const log = systemLog(ports);
  const act = { operationId: request.operationId, actor: caller.name };
  const kind = { op: "repository.restore" as const, isSame: (record: { repositoryId: RepositoryId }) => record.repositoryId === id };
  const done = await findAct(log, act, kind);
  if (done !== null) return restored(ports, caller, done.repository, id);
  const trashed = await getTrashed(ports, caller, id);
  const repository = request.repository ?? trashed.repository;
  demand(caller, "push", repository);
  const record = await actOnce(log, act, kind, async (_, ports): Promise<Body<SystemRecord>> => {
    if ((await ports.system.findTrashed(id)) === null) throw unknown(id);
    if ((await ports.system.findRepository(repository)) !== null) throw new FerryError("REPOSITORY_EXISTS", { repository });
    return { op: "repository.restore", repositoryId: id, repository };
  });
  return restored(ports, caller, record.repository, id);
}

async function restored(ports: Ports, caller: Caller, repository: RepositoryName, id: RepositoryId): Promise<RepositorySummary> {
  demand(caller, "push", repository);
  const found = await getRepository(ports, repository);
  if (found.id !== id) throw unknown(id);
  return found;
}

/** For good. Throws TRASH_TOO_YOUNG before 14 days, unless an administrator of the deployment says `now`. */
export async function purgeRepository(
  ports: Ports,
  caller: Caller,
  id: RepositoryId,
  request: { now: boolean; operationId: OperationId },
): Promise<void> {
  await finishPurges(ports);
  const act = { operationId: request.operationId, actor: caller.name };
  if ((await findAct(systemLog(ports), act, onPurge(id))) === null) await beginPurge(ports, caller, id, request);
  await endLog(ports, id);
  await ports.stores.home.bucket.delete([purgeNoteKey(id, request.operationId)]);
}

/** The note, then the record that can't be undone. */
async function beginPurge(
  ports: Ports,
  caller: Caller,
  id: RepositoryId,
  { now, operationId }: { now: boolean; operationId: OperationId },
): Promise<void> {
  const log = systemLog(ports);
  const demandOld = ({ repository, deletedAt }: TrashedRepository, nowMs: number) => {
    if (!now && nowMs - epochMs(deletedAt) < TRASH_DAYS * DAY_MS) throw tooYoung(repository, deletedAt);
  };
  demandOld(await getTrashed(ports, caller, id), ports.clock.now());
  if (now) demandDeployment(caller, "admin");
  const note: PurgeNote = { v: 1, repositoryId: id, operationId, sinceSeq: (await catchUp(log)).seq };
  await ports.stores.home.bucket.put(purgeNoteKey(id, operationId), encodeRecord(note));
  await actOnce(log, { operationId, actor: caller.name }, onPurge(id), async (at, ports): Promise<Body<SystemRecord>> => {
    const trashed = await ports.system.findTrashed(id);
    if (trashed === null) throw unknown(id);
    demandOld(trashed, epochMs(at));
    return { op: "repository.purge", repositoryId: id };
  });
}

function onPurge(id: RepositoryId) {
  return { op: "repository.purge" as const, isSame: (record: { repositoryId: RepositoryId }) => record.repositoryId === id };
}

const PurgeNote = z.strictObject({ v: z.literal(1), repositoryId: RepositoryId, operationId: OperationId, sinceSeq: z.int() });
type PurgeNote = z.infer<typeof PurgeNote>;

/** Ends every repository whose purge stopped between its two records. For a reconciler; costs one LIST when there is none. */
export async function finishPurges(ports: Ports): Promise<void> {
  const { bucket } = ports.stores.home;
  for (const { key } of await listAll(bucket, PURGE_NOTE_PREFIX)) {
    const bytes = await bucket.get(key);
    if (bytes !== null && (await isFinished(ports, decodeRecord(PurgeNote, bytes, key)))) await bucket.delete([key]);
  }
}

/**
 * Only the record of the purge, read from the bucket, ends a repository: an index that was set back may not know one that lives. A note
 * without its record stays, for a purge that is under way or was refused, until the repository is purged.
 */
async function isFinished(ports: Ports, { repositoryId, operationId, sinceSeq }: PurgeNote): Promise<boolean> {
  const act = { operationId, actor: "", sinceSeq };
  if ((await findAct(systemLog(ports), act, onPurge(repositoryId))) !== null) await endLog(ports, repositoryId);
  return (await stateOf(ports, repositoryId)).ended;
}

async function endLog(ports: Ports, id: RepositoryId): Promise<void> {
  // Made from the secret, so that nobody can have used it in this log for another act.
  const operationId = OperationId.parse(toHex((await ports.keyed.mac("end", id)).subarray(0, 16)));
  const act = { operationId, actor: "modelferry" };
  await actOnce(repositoryLog(ports, id), act, { op: "end" }, async (_, ports): Promise<Body<RepositoryRecord> | null> => {
    return (await stateOf(ports, id)).ended ? null : { op: "end", repositoryId: id };
  });
}

function stateOf(ports: Ports, id: RepositoryId): Promise<RepositoryState> {
  return withWhole(repositoryLog(ports, id), () => ports.repositories.refs(id));
}

/** What is in the trash, for who may delete it. Others learn nothing, not even its name. */
async function getTrashed(ports: Ports, caller: Caller, id: RepositoryId): Promise<TrashedRepository> {
  const trashed = await findConfirmed(systemLog(ports), () => ports.system.findTrashed(id));
  if (trashed === null || !may(caller, "pull", trashed.repository)) throw unknown(id);
  demand(caller, "delete", trashed.repository);
  return trashed;
}

function unknown(id: RepositoryId): FerryError {
  return new FerryError("REPOSITORY_UNKNOWN", { repository: id });
}
