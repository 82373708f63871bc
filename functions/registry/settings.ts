/** A repository's settings: retention and quota. */
import { canonical } from "../../shared/canonical.ts";
import type { RepositorySettings, RepositorySummary } from "../../shared/contract/repositories.ts";
import { FerryError } from "../../shared/errors.ts";
import type { OperationId } from "../../shared/names.ts";
import { actOnce } from "./acts.ts";
import { livingState } from "./living.ts";
import type { Body } from "./log.ts";
import { repositoryLog } from "./logs.ts";
import type { Caller, Ports } from "./ports.ts";
import type { RepositoryRecord } from "./records.ts";

/**
 * Replaces them whole, if they still are `expected` when that is given (SETTINGS_CHANGED). A quota below what is there deletes nothing: it stops growth.
 */
export async function setSettings(
  ports: Ports,
  caller: Caller,
  repository: RepositorySummary,
  {
    settings,
    expected,
    operationId,
  }: { settings: RepositorySettings; expected?: RepositorySettings | undefined; operationId: OperationId },
): Promise<{ settings: RepositorySettings }> {
  const act = { operationId, actor: caller.name };
  const record = await actOnce(
    repositoryLog(ports, repository.id),
    act,
    { op: "settings" },
    async (_, ports): Promise<Body<RepositoryRecord>> => {
      const { settings: now } = await livingState(ports, repository);
      if (expected !== undefined && canonical(expected) !== canonical(now))
        throw new FerryError("SETTINGS_CHANGED", { repository: repository.repository });
      return { op: "settings", repositoryId: repository.id, settings };
    },
  );
  return { settings: record.settings };
}
