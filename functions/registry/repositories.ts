/** Repositories: create, find, describe, list, delete. */
import type { Repository, RepositoryPage, RepositorySummary } from "../../shared/contract/repositories.ts";
import { RepositoryId } from "../../shared/contract/repositories.ts";
import { toHex } from "../../shared/digest.ts";
import { FerryError } from "../../shared/errors.ts";
import type { OperationId, RepositoryName } from "../../shared/names.ts";
import { demand, may } from "./access.ts";
import { append, type Body, findConfirmed, withWhole } from "./log.ts";
import { repositoryLog, systemLog } from "./logs.ts";
import type { Caller, Ports } from "./ports.ts";
import type { SystemRecord } from "./records.ts";

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
  const record = await append(log, { operationId, actor: caller.name }, async (): Promise<Body<SystemRecord>> => {
    if ((await ports.system.findRepository(repository)) !== null) throw new FerryError("REPOSITORY_EXISTS", { repository });
    return { op: "repository.create", repositoryId, repository };
  });
  if (record.op !== "repository.create") throw new FerryError("REQUEST_INVALID", { problem: "the operation id was used for another act" });
  return { repository: record.repository, id: record.repositoryId, createdAt: record.at, createdBy: record.actor };
}

/** The repository, for a caller who may see it. Throws REPOSITORY_UNKNOWN only after the bucket confirmed that. */
export async function getRepository(ports: Ports, repository: RepositoryName): Promise<RepositorySummary> {
  const found = await findConfirmed(systemLog(ports), () => ports.system.findRepository(repository));
  if (found === null) throw new FerryError("REPOSITORY_UNKNOWN", { repository });
  return found;
}

export async function describeRepository(ports: Ports, repository: RepositorySummary): Promise<Repository> {
  const log = repositoryLog(ports, repository.id);
  const { branches, tags, ...state } = await withWhole(log, () => ports.repositories.refs(repository.id));
  const { seq, revisionCount, lockedTags, settings, usage } = state;
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
  for (;;) {
    const page = await withWhole(systemLog(ports), () => ports.system.listRepositories({ after, limit: query.limit }));
    for (const entry of page) {
      after = entry.repository;
      if (!isListed(caller, entry.repository, query.namespace)) continue;
      repositories.push(entry);
      if (repositories.length === query.limit) return { repositories, next: after };
    }
    if (page.length < query.limit) return { repositories, next: null };
  }
}

function isListed(caller: Caller, repository: RepositoryName, namespace: string | undefined): boolean {
  return may(caller, "pull", repository) && (namespace === undefined || repository.startsWith(`${namespace}/`));
}

export async function deleteRepository(
  ports: Ports,
  caller: Caller,
  repository: RepositorySummary,
  operationId: OperationId,
): Promise<void> {
  await append(systemLog(ports), { operationId, actor: caller.name }, async (): Promise<Body<SystemRecord>> => {
    const now = await ports.system.findRepository(repository.repository);
    if (now?.id !== repository.id) throw new FerryError("REPOSITORY_UNKNOWN", { repository: repository.repository });
    return { op: "repository.delete", repositoryId: repository.id, repository: repository.repository };
  });
}
