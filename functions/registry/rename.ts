/** Another name for a repository. Its id, log and chunks stay what and where they are; who may what is from then on said of the new name. */
import type { RenameRequest, RepositorySummary } from "../../shared/contract/repositories.ts";
import { FerryError } from "../../shared/errors.ts";
import type { RepositoryName } from "../../shared/names.ts";
import { demand, may } from "./access.ts";
import { actOnce } from "./acts.ts";
import { type Body, withWhole } from "./log.ts";
import { systemLog } from "./logs.ts";
import type { Caller, Ports } from "./ports.ts";
import type { SystemRecord } from "./records.ts";
import { getRepository } from "./repositories.ts";

/** Takes a name away and makes one: for who may do both. Throws REPOSITORY_UNKNOWN, REPOSITORY_EXISTS. Idempotent by operation id. */
export async function renameRepository(
  ports: Ports,
  caller: Caller,
  from: RepositoryName,
  { repository, operationId }: RenameRequest,
): Promise<RepositorySummary> {
  demand(caller, "delete", from);
  demand(caller, "push", repository);
  const act = { operationId, actor: caller.name };
  const isSame = (record: { from: RepositoryName; repository: RepositoryName }) => record.from === from && record.repository === repository;
  await actOnce(systemLog(ports), act, { op: "repository.rename", isSame }, async (_, ports): Promise<Body<SystemRecord>> => {
    const found = await ports.system.findRepository(from);
    if (found === null) throw new FerryError("REPOSITORY_UNKNOWN", { repository: from });
    if ((await ports.system.findRepository(repository)) !== null) throw new FerryError("REPOSITORY_EXISTS", { repository });
    return { op: "repository.rename", repositoryId: found.id, repository, from };
  });
  return getRepository(ports, repository);
}

/** The repository, or REPOSITORY_MOVED when it has another name now, which this caller may see. Throws REPOSITORY_UNKNOWN. */
export async function getOrFollow(ports: Ports, caller: Caller, repository: RepositoryName): Promise<RepositorySummary> {
  try {
    return await getRepository(ports, repository);
  } catch (error) {
    const isUnknown = error instanceof FerryError && error.code === "REPOSITORY_UNKNOWN";
    const current = isUnknown ? await withWhole(systemLog(ports), () => ports.system.findMoved(repository)) : null;
    if (current === null || !may(caller, "pull", current)) throw error;
    throw new FerryError("REPOSITORY_MOVED", { repository, current }, { cause: error });
  }
}
