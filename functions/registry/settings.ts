/** A repository's settings: retention and quota. */
import type { RepositorySettings, RepositorySummary } from "../../shared/contract/repositories.ts";
import type { OperationId } from "../../shared/names.ts";
import { actOnce } from "./acts.ts";
import { livingState } from "./living.ts";
import type { Body } from "./log.ts";
import { repositoryLog } from "./logs.ts";
import type { Caller, Ports } from "./ports.ts";
import type { RepositoryRecord } from "./records.ts";

/** Replaces them whole. A quota below what is there deletes nothing: it stops growth. */
export async function setSettings(
  ports: Ports,
  caller: Caller,
  repository: RepositorySummary,
  { settings, operationId }: { settings: RepositorySettings; operationId: OperationId },
): Promise<{ settings: RepositorySettings }> {
  const act = { operationId, actor: caller.name };
  const record = await actOnce(
    repositoryLog(ports, repository.id),
    act,
    { op: "settings" },
    async (_, ports): Promise<Body<RepositoryRecord>> => {
      await livingState(ports, repository);
      return { op: "settings", repositoryId: repository.id, settings };
    },
  );
  return { settings: record.settings };
}
