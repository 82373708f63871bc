/** The feed of events. It is kept in the index alone, for the newest thousands: what must not be forgotten is in the logs. */
import type { About, EventType } from "../../../shared/contract/events.ts";
import type { RepositoryId } from "../../../shared/contract/repositories.ts";
import type { RepositoryName } from "../../../shared/names.ts";

/**
 * `id`: of what happened; left out for what nobody tells twice. `repository`: where the name is known; else readers look it up by the
 * id. `about` holds no secrets, and is small.
 */
export type FerryEvent = {
  type: EventType;
  id?: string;
  repositoryId?: RepositoryId;
  repository?: RepositoryName;
  about: About;
};

export type StoredEvent = FerryEvent & { id: string; cursor: string; atMs: number };

/** `newest`: cursor of the last event there ever was; `0-0` for none. `missed`: events after `after` may be gone. */
export type StoredPage = { events: StoredEvent[]; newest: string; missed: boolean };

/**
 * What the logs' records say is told by their indexes, in the same atomic step in which they are applied (of-record.ts): once, also when
 * whoever wrote the record is gone. All else is told here.
 */
export interface Events {
  /** One event. Throws INDEX_UNAVAILABLE; `tell` does not. */
  record(event: FerryEvent): Promise<void>;
  /** Those after a cursor, oldest first; `after` null: none, only where the feed ends. */
  read(query: { after: string | null; limit: number }): Promise<StoredPage>;
}

/** How many events are kept, about. */
export const EVENTS_KEPT = 10_000;
/** A record that is older when it is applied is being replayed, and was told when it was written. */
export const NEWS_SECONDS = 3_600;
