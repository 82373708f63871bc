/**
 * What the deployment tells of itself: a closed list of types, and the feed.
 *
 * `about` of those that no log's record tells (registry/events/of-record.ts has the others); all values are texts or numbers:
 *   replica.*            store, revision, job; `completed` also chunks, bytes; `failed` problem, failures; `lagging` lagSeconds, policy
 *   warmup.*             warmup, problem
 *   collect.finished     run, phase, deleted, problem
 *   index.rebuilt        run, logs, records, entries, damaged
 *   import.*             from, job; `begun` also branch, by; `completed` state, revision, files, bytes; `failed` problem, failures
 * An `id` is made of what happened (`replica.completed-<job>`), so that two who tell it tell the same.
 */
import * as z from "zod";
import { RepositoryName } from "../names.ts";
import { RepositoryId } from "./repositories.ts";

export const EVENT_TYPES = [
  "repository.created",
  "repository.deleted",
  "repository.restored",
  "repository.renamed",
  "repository.purged",
  "repository.blocked",
  "repository.unblocked",
  "revision.committed",
  "revision.trashed",
  "revision.restored",
  "revision.purged",
  "tag.moved",
  "tag.removed",
  "token.created",
  "token.revoked",
  "replica.completed",
  "replica.failed",
  "replica.lagging",
  "replica.evicted",
  "warmup.begun",
  "warmup.ready",
  "warmup.late",
  "warmup.failed",
  "collect.finished",
  "index.rebuilt",
  "import.begun",
  "import.completed",
  "import.failed",
  "webhook.received",
  "webhook.disabled",
  "webhook.test",
] as const;
export const EventType = z.enum(EVENT_TYPES);
export type EventType = z.infer<typeof EventType>;

export const About = z.record(z.string(), z.union([z.string(), z.number()]));
export type About = z.infer<typeof About>;

/**
 * `id`: of what happened, the same however often it is told. `cursor`: its place in the feed. `repository`: the name, when there is one
 * now or the event was about it.
 */
export const FeedEvent = z.object({
  id: z.string(),
  cursor: z.string(),
  type: z.string(),
  at: z.string(),
  repositoryId: RepositoryId.nullable(),
  repository: RepositoryName.nullable(),
  about: About,
});
export type FeedEvent = z.infer<typeof FeedEvent>;

export const EVENTS_PAGE_MAX = 500;
export const EventCursor = z.string().regex(/^\d{1,15}-\d{1,10}(?![\s\S])/, "a cursor that the feed gave");
/** `after`: left out, the feed begins with the next event. `0-0`: with the oldest that is kept. */
export const EventQuery = z.object({
  after: EventCursor.optional(),
  limit: z.coerce.number().int().min(1).max(EVENTS_PAGE_MAX).default(100),
});
export type EventQuery = z.infer<typeof EventQuery>;
/** `next`: the cursor to go on from. `missed`: there may have been events after the cursor that are kept no more. */
export const EventPage = z.object({ events: z.array(FeedEvent), next: EventCursor, missed: z.boolean() });
export type EventPage = z.infer<typeof EventPage>;
