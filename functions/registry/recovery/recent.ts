/**
 * Marks of records that are about to be written. Each is put before its record, so whatever a repository's log has that the index may
 * have lost since some time is named by the marks of that time: nobody needs to look at all logs.
 */
import type { RepositoryId } from "../../../shared/contract/repositories.ts";
import { RECENT_PREFIX, recentKey, recentOfKey, recentPrefix } from "../layout.ts";
import { pagesOf } from "../listing.ts";
import type { Ports } from "../ports.ts";

const MINUTE_MS = 60_000;
const KEPT_MS = 48 * 3_600_000;
const NOTHING = new Uint8Array();

/**
 * How much earlier than its record is applied a mark may say it is: clocks that differ by 5 minutes (as collection demands, too), and as
 * much between the mark and the record, of which a writer grants itself 2 (log.ts) and requests to a store may take one.
 */
export const MARK_SLACK_MS = 600_000;

/** The record `seq` of this log may be there soon. */
export async function markRecent(ports: Ports, id: RepositoryId, seq: number): Promise<void> {
  await ports.stores.home.bucket.put(recentKey(minuteOf(ports.clock.now()), id, seq), NOTHING);
}

/** Whether all marks since then are still there. */
export function isMarkedSince(ports: Ports, sinceMs: number): boolean {
  return sinceMs - MARK_SLACK_MS > ports.clock.now() - KEPT_MS + MARK_SLACK_MS;
}

/**
 * Of every log that may have got records since `sinceMs`, the highest seq that one may have. Null when there are more logs than
 * `limit`: then it is better to walk all.
 */
export async function recentLogs(ports: Ports, sinceMs: number, limit: number): Promise<Map<RepositoryId, number> | null> {
  const logs = new Map<RepositoryId, number>();
  const first = recentPrefix(minuteOf(sinceMs - MARK_SLACK_MS));
  for await (const page of pagesOf(ports.stores.home.bucket, RECENT_PREFIX, first)) {
    for (const { key } of page) {
      const mark = recentOfKey(key);
      if (mark !== null) logs.set(mark.id, Math.max(mark.seq, logs.get(mark.id) ?? 0));
    }
    if (logs.size > limit) return null;
  }
  return logs;
}

/** Deletes a page of marks that nobody will ask for. */
export async function dropOldMarks(ports: Ports): Promise<number> {
  const { bucket } = ports.stores.home;
  const oldest = recentPrefix(minuteOf(ports.clock.now() - KEPT_MS));
  const { objects } = await bucket.list(RECENT_PREFIX, { limit: 1000 });
  const old = objects.map(({ key }) => key).filter((key) => key < oldest);
  await bucket.delete(old);
  return old.length;
}

function minuteOf(timeMs: number): number {
  return Math.max(0, Math.floor(timeMs / MINUTE_MS));
}
