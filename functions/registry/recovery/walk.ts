/** Walking all repositories: their logs by the keys in the bucket, and their revisions by the index. */
import type { RepositoryId, RepositorySummary } from "../../../shared/contract/repositories.ts";
import { FerryError } from "../../../shared/errors.ts";
import { REPOSITORIES_PREFIX, repositoryLogPrefix, repositoryOfKey, seqOfLogKey } from "../layout.ts";
import { withWhole } from "../log.ts";
import { repositoryLog, systemLog } from "../logs.ts";
import type { Ports, RevisionEntry } from "../ports.ts";

/** What comes after every digit: the end of a log. */
const AFTER_ALL = "~";

/** Logs of one stretch: a step may have to catch up all of them. */
const LOGS_MAX = 250;

/**
 * `tails`: of each log the highest seq, infinite when that was not seen. `strays`: keys that have no business there. `next`: where the
 * walk goes on; null at its end.
 */
export type Stretch = { tails: Map<RepositoryId, number>; strays: string[]; next: string | null };

/** The logs that begin after `cursor`, as many as one page of 1,000 keys shows, at most 250. */
export async function nextLogs(ports: Ports, cursor: string | null): Promise<Stretch> {
  const { objects, more } = await ports.stores.home.bucket.list(REPOSITORIES_PREFIX, {
    limit: 1000,
    ...(cursor === null ? {} : { after: cursor }),
  });
  const tails = new Map<RepositoryId, number>();
  const strays: string[] = [];
  let last: RepositoryId | undefined;
  for (const { key } of objects) {
    const id = repositoryOfKey(key);
    if (id === null) {
      strays.push(key);
      continue;
    }
    if (last !== undefined && id !== last && tails.size === LOGS_MAX) return { tails, strays, next: endOf(last) };
    tails.set(id, seqOfLogKey(key));
    last = id;
  }
  if (!more) return { tails, strays, next: null };
  if (last === undefined) return { tails, strays, next: objects.at(-1)?.key ?? null };
  // The page may have ended within its last log.
  tails.set(last, Number.POSITIVE_INFINITY);
  return { tails, strays, next: endOf(last) };
}

/** What comes after a log's last record. */
export function endOf(id: RepositoryId): string {
  return repositoryLogPrefix(id) + AFTER_ALL;
}

/** Chunks of the revisions that are visited together; the last one may have more. */
const CHUNKS_AT_ONCE = 8_000;
const REVISIONS_PAGE = 100;
const REPOSITORIES_PAGE = 1000;

export type Visit = {
  /** In the trash, too; newest first. */
  revisions(repository: RepositorySummary, revisions: readonly RevisionEntry[]): Promise<void>;
  /** The repository's log can't be followed: its revisions are not known. */
  damaged(repository: RepositorySummary, problem: string): void;
};

/**
 * Visits all revisions from `cursor` on, repositories in order of their creation, until it is enough. Null: all were visited, as far as they
 * were there when their repository was come by.
 */
export async function walkRevisions(ports: Ports, cursor: string | null, isEnough: () => boolean, visit: Visit): Promise<string | null> {
  const from = cursor === null ? null : parseCursor(cursor);
  for (const repository of await repositoriesFrom(ports, from)) {
    let before = from?.id === repository.id ? from.before : null;
    for (;;) {
      const revisions = await nextRevisions(ports, repository, before, visit);
      const last = revisions.at(-1);
      if (last === undefined) break;
      await visit.revisions(repository, revisions);
      before = last.seq;
      if (isEnough()) return `${placeOf(repository)} ${before}`;
    }
  }
  return null;
}

type Cursor = { createdAt: string; id: string; before: number };

function parseCursor(cursor: string): Cursor {
  const [createdAt = "", id = "", before = ""] = cursor.split(" ");
  return { createdAt, id, before: Number(before) };
}

function placeOf({ createdAt, id }: { createdAt: string; id: string }): string {
  return `${createdAt} ${id}`;
}

/** In the trash, too: their chunks are kept. */
async function repositoriesFrom(ports: Ports, from: Cursor | null): Promise<RepositorySummary[]> {
  const all = [...(await pagesOf(ports, "listRepositories", "repository")), ...(await pagesOf(ports, "listTrash", "id"))];
  const sorted = all.sort((a, b) => (placeOf(a) < placeOf(b) ? -1 : 1));
  return from === null ? sorted : sorted.filter((repository) => placeOf(repository) >= placeOf(from));
}

async function pagesOf(ports: Ports, list: "listRepositories" | "listTrash", order: "repository" | "id"): Promise<RepositorySummary[]> {
  const all: RepositorySummary[] = [];
  for (let after: string | undefined; ; after = all.at(-1)?.[order]) {
    const page = await withWhole(systemLog(ports), () => ports.system[list]({ after, limit: REPOSITORIES_PAGE }));
    all.push(...page);
    if (page.length < REPOSITORIES_PAGE) return all;
  }
}

/** As many as have some 8,000 chunks. */
async function nextRevisions(ports: Ports, repository: RepositorySummary, before: number | null, visit: Visit): Promise<RevisionEntry[]> {
  const query = { limit: REVISIONS_PAGE, ...(before === null ? {} : { before }) };
  try {
    return someOf(await withWhole(repositoryLog(ports, repository.id), () => ports.repositories.listRevisions(repository.id, query)));
  } catch (error) {
    if (!(error instanceof FerryError) || error.code !== "LOG_DAMAGED") throw error;
    visit.damaged(repository, error.message);
    return [];
  }
}

function someOf(page: RevisionEntry[]): RevisionEntry[] {
  let chunks = 0;
  const end = page.findIndex(({ chunkCount }) => {
    chunks += chunkCount;
    return chunks > CHUNKS_AT_ONCE;
  });
  return end < 0 ? page : page.slice(0, Math.max(1, end));
}
