/** Walking all repositories' logs in the bucket by their keys, at about one request for 1,000 records. */
import type { RepositoryId } from "../../../shared/contract/repositories.ts";
import { REPOSITORIES_PREFIX, repositoryLogPrefix, repositoryOfKey, seqOfLogKey } from "../layout.ts";
import type { Ports } from "../ports.ts";

/** What comes after every digit: the end of a log. */
const AFTER_ALL = "~";

/** Logs of one stretch: a step may have to catch up all of them. */
const LOGS_MAX = 250;

/** `tails`: of each log the highest seq, infinite when that was not seen. `next`: where the walk goes on; null at its end. */
export type Stretch = { tails: Map<RepositoryId, number>; next: string | null };

/** The logs that begin after `cursor`, as many as one page of keys shows, at most 250. */
export async function nextLogs(ports: Ports, cursor: string | null): Promise<Stretch> {
  const { objects, more } = await ports.stores.home.bucket.list(REPOSITORIES_PREFIX, {
    limit: 1000,
    ...(cursor === null ? {} : { after: cursor }),
  });
  const tails = new Map<RepositoryId, number>();
  let last: RepositoryId | undefined;
  for (const { key } of objects) {
    const id = repositoryOfKey(key);
    // What else lies there is fsck's business.
    if (id === null) continue;
    if (last !== undefined && id !== last && tails.size === LOGS_MAX) return { tails, next: endOf(last) };
    tails.set(id, seqOfLogKey(key));
    last = id;
  }
  if (!more) return { tails, next: null };
  if (last === undefined) return { tails, next: objects.at(-1)?.key ?? null };
  // The page may have ended within its last log.
  tails.set(last, Number.POSITIVE_INFINITY);
  return { tails, next: endOf(last) };
}

function endOf(id: RepositoryId): string {
  return repositoryLogPrefix(id) + AFTER_ALL;
}
