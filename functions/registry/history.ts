/** Going through revisions, newest first: one repository's history in pages, what fits of it, and a look across repositories. */
import {
  type RevisionQuery,
  SEARCH_NEWEST_MAX,
  SEARCH_REPOSITORIES_MAX,
  SEARCH_REVISIONS_MAX,
  type SearchPage,
  type SearchQuery,
} from "../../shared/contract/lifecycle.ts";
import type { RepositoryId, RepositorySummary, RevisionPage } from "../../shared/contract/repositories.ts";
import { FerryError } from "../../shared/errors.ts";
import type { RefName } from "../../shared/names.ts";
import { epochMs } from "../../shared/time.ts";
import { valueAt } from "./living.ts";
import { withWhole } from "./log.ts";
import { repositoryLog } from "./logs.ts";
import { pooled, STORE_WIDTH } from "./pool.ts";
import type { Caller, Ports, RevisionEntry } from "./ports.ts";
import { listRepositories } from "./repositories.ts";
import { summaryOf } from "./revisions.ts";

const PAGE = 1000;

/** `before`: a seq. `limit`: revisions in all. `first`: size of the first page, when few may be enough. */
type Walk = { branch?: RefName | undefined; before?: number | undefined; limit: number; first?: number };

/** Revisions in pages; those in the trash too. */
export async function* walkHistory(ports: Ports, id: RepositoryId, walk: Walk): AsyncGenerator<RevisionEntry[]> {
  const log = repositoryLog(ports, id);
  let { before, limit: left, first: wish = PAGE } = walk;
  while (left > 0) {
    const query = { branch: walk.branch, before, limit: Math.min(left, wish, PAGE) };
    const page = await withWhole(log, () => ports.repositories.listRevisions(id, query));
    yield page;
    if (page.length < query.limit) return;
    before = page.at(-1)?.seq;
    left -= page.length;
    wish = PAGE;
  }
}

export async function listRevisions(ports: Ports, repository: RepositorySummary, query: RevisionQuery): Promise<RevisionPage> {
  const { branch, sort, order, limit } = query;
  const before = query.cursor === undefined ? undefined : seqOfCursor(query.cursor);
  const isWanted = (entry: RevisionEntry) => (entry.deletedAt !== null) === (query.deleted === "true") && fits(entry, query);
  if (sort === undefined) {
    const { entries, next } = await gather(
      ports,
      repository.id,
      { branch, before, limit: SEARCH_REVISIONS_MAX, first: limit },
      isWanted,
      limit,
    );
    return { revisions: entries.map(summaryOf), next };
  }
  const all = await gather(ports, repository.id, { branch, before, limit: SEARCH_REVISIONS_MAX }, isWanted);
  return { revisions: bestBy(all.entries, sort, order).slice(0, limit).map(summaryOf), next: all.next };
}

/** Reads the newest revisions of a page of repositories: the index is asked once for each, the bucket not at all. */
export async function searchRevisions(ports: Ports, caller: Caller, query: SearchQuery): Promise<SearchPage> {
  const { namespace, cursor, limit } = query;
  const { repositories, next } = await listRepositories(ports, caller, { namespace, cursor, limit: SEARCH_REPOSITORIES_MAX });
  const isWanted = (entry: RevisionEntry) => entry.deletedAt === null && fits(entry, query);
  const found = await pooled(repositories, STORE_WIDTH, async ({ id, repository }) => {
    const { entries } = await gather(ports, id, { limit: SEARCH_NEWEST_MAX }, isWanted, limit);
    return entries.map((entry) => ({ repository, ...summaryOf(entry) }));
  });
  return { revisions: found.flat(), next };
}

/** Up to `count` wanted revisions of a walk. `next`: the seq of the last that was looked at, null at the end of history. */
async function gather(
  ports: Ports,
  id: RepositoryId,
  walk: Walk,
  isWanted: (entry: RevisionEntry) => boolean,
  count: number = walk.limit,
): Promise<{ entries: RevisionEntry[]; next: string | null }> {
  const entries: RevisionEntry[] = [];
  let [looked, last] = [0, 0];
  for await (const page of walkHistory(ports, id, walk)) {
    for (const entry of page) {
      looked++;
      last = entry.seq;
      if (isWanted(entry)) entries.push(entry);
      if (entries.length === count) return { entries, next: String(last) };
    }
  }
  return { entries, next: looked < walk.limit ? null : String(last) };
}

type Criteria = Pick<SearchQuery, "author" | "label" | "metric" | "since" | "until" | "text">;

function fits(entry: RevisionEntry, { author, label, metric, since, until, text }: Criteria): boolean {
  const timeMs = epochMs(entry.time);
  return (
    (author === undefined || entry.author === author) &&
    (label === undefined || hasLabel(entry, label)) &&
    (metric === undefined || valueAt(entry.metrics, metric) !== undefined) &&
    (since === undefined || timeMs >= epochMs(since)) &&
    (until === undefined || timeMs <= epochMs(until)) &&
    (text === undefined || hasText(entry, text.toLowerCase()))
  );
}

/** `key:value`; without a colon, a key. */
function hasLabel({ labels }: RevisionEntry, label: string): boolean {
  const colon = label.indexOf(":");
  if (colon < 0) return valueAt(labels, label) !== undefined;
  return valueAt(labels, label.slice(0, colon)) === label.slice(colon + 1);
}

function hasText({ message, author, branch, labels, source }: RevisionEntry, text: string): boolean {
  const texts = [message, author, branch, ...Object.values(labels), ...Object.values(source)];
  return texts.some((one) => one?.toLowerCase().includes(text) === true);
}

/** A revision's metric as a number; null when it has none. */
export function metricOf({ metrics }: Pick<RevisionEntry, "metrics">, metric: string): number | null {
  const value = valueAt(metrics, metric);
  return value === undefined ? null : Number(value);
}

/** Those that have the metric, the best first; of equals the first given first. */
export function bestBy<E extends Pick<RevisionEntry, "metrics">>(entries: readonly E[], metric: string, order: "max" | "min"): E[] {
  const sign = order === "max" ? -1 : 1;
  return entries
    .flatMap((entry) => {
      const value = metricOf(entry, metric);
      return value === null ? [] : [{ entry, value }];
    })
    .sort((a, b) => (a.value === b.value ? 0 : sign * (a.value < b.value ? -1 : 1)))
    .map(({ entry }) => entry);
}

export function seqOfCursor(cursor: string): number {
  const seq = Number(cursor);
  if (!Number.isSafeInteger(seq) || seq < 0) throw new FerryError("REQUEST_INVALID", { problem: "cursor: not one of ours" });
  return seq;
}
