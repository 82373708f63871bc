/** What a whole deployment weighs, summed up of pages. */
import type { FerryClient } from "./client.ts";
import type { DeploymentUsage } from "./contract/lifecycle.ts";

/** Repositories asked for at once. */
const PAGE = 1000;

export type UsageSum = Omit<DeploymentUsage, "next">;

export async function wholeUsage(client: FerryClient, signal?: AbortSignal): Promise<UsageSum> {
  let sum: UsageSum = { repositories: 0, revisions: 0, logicalBytes: 0, storedBytes: 0, objects: 0, measured: null };
  let cursor: string | null = null;
  do {
    const page: DeploymentUsage = await client.call("usage", { query: { limit: PAGE, ...(cursor === null ? {} : { cursor }) } }, signal);
    sum = {
      repositories: sum.repositories + page.repositories,
      revisions: sum.revisions + page.revisions,
      logicalBytes: sum.logicalBytes + page.logicalBytes,
      storedBytes: sum.storedBytes + page.storedBytes,
      objects: sum.objects + page.objects,
      measured: page.measured,
    };
    cursor = page.next;
  } while (cursor !== null);
  return sum;
}
