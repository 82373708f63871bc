/** Repositories: create, find, describe, list, move into the trash. */
import type { Repository, RepositoryPage, RepositorySummary } from "../../shared/contract/repositories.ts";
import { RepositoryId } from "../../shared/contract/repositories.ts";
import { toHex } from "../../shared/digest.ts";
import { FerryError } from "../../shared/errors.ts";
import type { OperationId, RepositoryName } from "../../shared/names.ts";
import { demand, may } from "./access.ts";
import { actOnce } from "./acts.ts";
import { livingState } from "./living.ts";
import { type Body, catchUp, findConfirmed, withWhole } from "./log.ts";
import { repositoryLog, systemLog } from "./logs.ts";
import type { Caller, Ports } from "./ports.ts";
import type { SystemRecord } from "./records.ts";

/** What a caller may not see is passed over in pages of this size, however few he asked for. */
export const PAGE = 1000;

/** Idempotent by operation id. Pushing to a name is what gives the right to create it. */
export async function createRepository(
  ports: Ports,
  caller: Caller,
  request: { repository: RepositoryName; operationId: OperationId },
): Promise<RepositorySummary> {
  const { repository, operationId } = request;
  demand(caller, "push", repository);
  const log = systemLog(ports);
  const repositoryId = RepositoryId.parse(toHex((await ports.keyed.mac("repository", repository, operationId)).subarray(0, 8)));
  const act = { operationId, actor: caller.name };
  const kind = { op: "repository.create" as const, isSame: (record: { repository: RepositoryName }) => record.repository === repository };
  const record = await actOnce(log, act, kind, async (_, ports): Promise<Body<SystemRecord>> => {
    if ((await ports.system.findRepository(repository)) !== null) throw new FerryError("REPOSITORY_EXISTS", { repository });
    await refuseUsedId(ports, repositoryId);
    return { op: "repository.create", repositoryId, repository };
  });
  return { repository: record.repository, id: record.repositoryId, createdAt: record.at, createdBy: record.actor, blocked: null };
}

/** An operation id that is used again, long after, must not bring back what was deleted, nor go on with a log that was ended. */
async function refuseUsedId(ports: Ports, id: RepositoryId): Promise<void> {
  const isUsed = (await ports.system.findTrashed(id)) !== null || (await catchUp(repositoryLog(ports, id))).seq > 0;
  if (isUsed) throw new FerryError("REQUEST_INVALID", { problem: "operationId: it made a repository before" });
}

/** Null only after the bucket confirmed that. */
export function findRepository(ports: Ports, repository: RepositoryName): Promise<RepositorySummary | null> {
  return findConfirmed(systemLog(ports), () => ports.system.findRepository(repository));
}

/** The repository, for a caller who may see it. Throws REPOSITORY_UNKNOWN only after the bucket confirmed that. */
export async function getRepository(ports: Ports, repository: RepositoryName): Promise<RepositorySummary> {
  const found = await findRepository(ports, repository);
  if (found === null) throw new FerryError("REPOSITORY_UNKNOWN", { repository });
  return found;
}

export async function describeRepository(ports: Ports, repository: RepositorySummary): Promise<Repository> {
  const { branches, tags, seq, revisionCount, lockedTags, settings, usage } = await livingState(ports, repository);
  return { ...repository, seq, revisionCount, refs: { branches, tags }, lockedTags, settings, usage };
}

/** In order of name; only what the caller may pull. */
export async function listRepositories(
  ports: Ports,
  caller: Caller,
  query: { namespace?: string | undefined; cursor?: string | undefined; limit: number },
): Promise<RepositoryPage> {
  const repositories: RepositorySummary[] = [];
  let after = query.cursor;
  for (let limit = query.limit; ; limit = PAGE) {
    const page = await withWhole(systemLog(ports), () => ports.system.listRepositories({ after, limit }));
    for (const entry of page) {
      after = entry.repository;
      if (!isListed(caller, entry.repository, query.namespace)) continue;
      repositories.push(entry);
      if (repositories.length === query.limit) return { repositories, next: after };
    }
    if (page.length < limit) return { repositories, next: null };
  }
}

function isListed(caller: Caller, repository: RepositoryName, namespace: string | undefined): boolean {
  return may(caller, "pull", repository) && (namespace === undefined || repository.startsWith(`${namespace}/`));
}

/** Into the trash; its name is free at once. Idempotent by operation id, also when the repository is gone by then. */
export async function deleteRepository(ports: Ports, caller: Caller, repository: RepositoryName, operationId: OperationId): Promise<void> {
  const act = { operationId, actor: caller.name };
  const kind = { op: "repository.delete" as const, isSame: (record: { repository: RepositoryName }) => record.repository === repository };
  await actOnce(systemLog(ports), act, kind, async (_, ports): Promise<Body<SystemRecord>> => {
    const found = await ports.system.findRepository(repository);
    if (found === null) throw new FerryError("REPOSITORY_UNKNOWN", { repository });
    return { op: "repository.delete", repositoryId: found.id, repository };
  });
}
