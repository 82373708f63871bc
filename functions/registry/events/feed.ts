/** The feed as a caller may see it: events of repositories that it may pull, all for the deployment's administrators. */
import type { EventPage, EventQuery, FeedEvent } from "../../../shared/contract/events.ts";
import type { RepositoryName } from "../../../shared/names.ts";
import { isoTime } from "../../../shared/time.ts";
import { may, mayDeployment } from "../access.ts";
import { withWhole } from "../log.ts";
import { systemLog } from "../logs.ts";
import type { Caller, Ports } from "../ports.ts";
import type { FerryEvent, StoredEvent } from "./ports.ts";

/** Pages that one request goes through to find what its caller may see. */
const PAGES_MAX = 5;

export async function readFeed(ports: Ports, caller: Caller, { after, limit }: EventQuery): Promise<EventPage> {
  const events: FeedEvent[] = [];
  let missed = false;
  let next = after ?? null;
  for (let page = 0; page < PAGES_MAX; page++) {
    const read = await ports.events.read({ after: next, limit: limit - events.length });
    missed ||= read.missed;
    if (next === null) return { events, next: read.newest, missed };
    const names = await namesIn(ports, read.events);
    const seen = read.events.filter((event) => sees(caller, event, names.get(event.cursor) ?? null));
    events.push(...seen.map((event) => feedEventOf(event, names.get(event.cursor) ?? null)));
    const last = read.events.at(-1);
    // A cursor beyond the end is from an index that is gone.
    next = last?.cursor ?? (isAfter(next, read.newest) ? read.newest : next);
    if (last === undefined || events.length >= limit) break;
  }
  return { events, next: next ?? "0-0", missed };
}

/** By cursor: the name that each event's repository has now, else the one that the event told. */
export async function namesIn(ports: Ports, events: readonly StoredEvent[]): Promise<Map<string, RepositoryName>> {
  const ids = new Set(events.flatMap(({ repositoryId }) => (repositoryId === undefined ? [] : [repositoryId])));
  const now = ids.size === 0 ? new Map() : await withWhole(systemLog(ports), () => ports.system.namesOf([...ids]));
  return new Map(
    events.flatMap(({ cursor, repositoryId, repository }) => {
      const name = (repositoryId === undefined ? undefined : now.get(repositoryId)) ?? repository;
      return name === undefined ? [] : [[cursor, name] as const];
    }),
  );
}

export function isAfter(cursor: string, other: string): boolean {
  const [ms = 0, n = 0] = cursor.split("-").map(Number);
  const [otherMs = 0, otherN = 0] = other.split("-").map(Number);
  return ms > otherMs || (ms === otherMs && n > otherN);
}

/** Tells an event; one that can't be written is lost, and fails nothing. */
export async function tell(ports: Pick<Ports, "events">, event: FerryEvent): Promise<boolean> {
  try {
    await ports.events.record(event);
    return true;
  } catch {
    return false;
  }
}

function sees(caller: Caller, event: StoredEvent, name: RepositoryName | null): boolean {
  const isOfRepository = event.repositoryId !== undefined || event.repository !== undefined;
  if (isOfRepository && name !== null && may(caller, "pull", name)) return true;
  return mayDeployment(caller, "admin");
}

function feedEventOf(event: StoredEvent, repository: RepositoryName | null): FeedEvent {
  const { id, cursor, type, atMs, repositoryId = null, about } = event;
  return { id, cursor, type, at: isoTime(atMs), repositoryId, repository, about };
}
