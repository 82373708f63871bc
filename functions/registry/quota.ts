/**
 * Quotas: what a repository's revisions may sum up to. What counts stands in the index, moves with the log, and is compared at the tail
 * right before a record is written: of writers that race for the last bytes one gets them.
 */
import type { RepositorySummary, Usage } from "../../shared/contract/repositories.ts";
import { FerryError } from "../../shared/errors.ts";
import type { RepositoryState } from "./ports.ts";

/** Throws QUOTA_EXCEEDED when the repository may not grow by this much. */
export function refuseOverQuota(repository: RepositorySummary, { settings, usage }: RepositoryState, growth: Usage): void {
  if (settings.quota === null) return;
  const { quota } = settings;
  refuseOver(repository, "logical bytes", quota.logicalBytes, usage.logicalBytes, growth.logicalBytes);
  refuseOver(repository, "stored bytes", quota.storedBytes, usage.storedBytes, growth.storedBytes);
  refuseOver(repository, "objects", quota.objects, usage.objects, growth.objects);
}

/** Who does not grow is not refused, also where the limit was lowered below what is there. */
function refuseOver({ repository }: RepositorySummary, what: string, limit: number | null, now: number, growth: number): void {
  const would = now + growth;
  if (limit !== null && growth > 0 && would > limit) throw new FerryError("QUOTA_EXCEEDED", { repository, what, limit, would });
}
