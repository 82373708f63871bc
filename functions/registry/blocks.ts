/**
 * The kill switch of one repository: while it is blocked nothing of its content is handed out, neither as URLs nor through copies that
 * bring no bytes. It holds from the next request on, since every request reads the repository's summary. URLs that are out are the
 * store's to honour, and live up to 15 minutes more.
 */
import type { RepositorySummary } from "../../shared/contract/repositories.ts";
import { FerryError } from "../../shared/errors.ts";
import type { OperationId } from "../../shared/names.ts";
import { actOnce } from "./acts.ts";
import { systemLog } from "./logs.ts";
import type { Caller, Ports } from "./ports.ts";

type Named = { repositoryId: string };

/** A repository that is blocked already gets the new reason. */
export async function blockRepository(
  ports: Ports,
  caller: Caller,
  repository: RepositorySummary,
  { reason, operationId }: { reason: string; operationId: OperationId },
): Promise<RepositorySummary> {
  const kind = { op: "repository.block" as const, isSame: ({ repositoryId }: Named) => repositoryId === repository.id };
  const record = await actOnce(systemLog(ports), { operationId, actor: caller.name }, kind, async (_, fenced) => {
    await demandLiving(fenced, repository);
    return { op: "repository.block" as const, repositoryId: repository.id, repository: repository.repository, reason };
  });
  return { ...repository, blocked: { at: record.at, by: record.actor, reason: record.reason } };
}

/** Nothing happens when it is not blocked. */
export async function unblockRepository(
  ports: Ports,
  caller: Caller,
  repository: RepositorySummary,
  operationId: OperationId,
): Promise<void> {
  const kind = { op: "repository.unblock" as const, isSame: ({ repositoryId }: Named) => repositoryId === repository.id };
  await actOnce(systemLog(ports), { operationId, actor: caller.name }, kind, async (_, fenced) => {
    const { blocked } = await demandLiving(fenced, repository);
    if (blocked === null) return null;
    return { op: "repository.unblock" as const, repositoryId: repository.id, repository: repository.repository };
  });
}

/** Throws REPOSITORY_BLOCKED. */
export function demandUnblocked({ repository, blocked }: RepositorySummary): void {
  if (blocked !== null) throw new FerryError("REPOSITORY_BLOCKED", { repository, at: blocked.at, reason: blocked.reason });
}

async function demandLiving(ports: Ports, { repository, id }: RepositorySummary): Promise<RepositorySummary> {
  const found = await ports.system.findRepository(repository);
  if (found?.id !== id) throw new FerryError("REPOSITORY_UNKNOWN", { repository });
  return found;
}
