/**
 * The chunk index from the bucket's envelopes: an entry for every chunk that a living revision names and that has none. What is there
 * stays. Repositories go in order of their creation and revisions from the newest, so that who holds a chunk is, as a rule, who it was.
 */
import type { RepositoryId, RepositorySummary } from "../../../shared/contract/repositories.ts";
import type { Digest } from "../../../shared/digest.ts";
import { FerryError } from "../../../shared/errors.ts";
import { isClaimed } from "../claimed.ts";
import { condemnedOf } from "../intents.ts";
import { envelopeKey } from "../layout.ts";
import { withWhole } from "../log.ts";
import { repositoryLog, systemLog } from "../logs.ts";
import { pooled, STORE_WIDTH } from "../pool.ts";
import type { ChunkEntry, Ports, RevisionEntry } from "../ports.ts";
import { decodeRecord, Envelope } from "../records.ts";

/** Chunks of the envelopes that are held in memory at once; the last one may have more. */
const CHUNKS_AT_ONCE = 8_000;
const PAGE = 100;
const REPOSITORIES_PAGE = 1000;

export type Filled = { cursor: string | null; revisions: number; entries: number; damaged: string[] };
type Entry = ChunkEntry & { sha256: Digest };

/** From `cursor` on until the time is up. A null cursor in the answer: all is done. */
export async function fillChunks(ports: Ports, cursor: string | null, deadlineMs: number): Promise<Filled> {
  const from = cursor === null ? null : parseCursor(cursor);
  const filled: Filled = { cursor, revisions: 0, entries: 0, damaged: [] };
  for (const repository of await repositoriesFrom(ports, from)) {
    let before = from?.id === repository.id ? from.before : null;
    for (;;) {
      const revisions = await nextRevisions(ports, repository.id, before);
      const last = revisions.at(-1);
      if (last === undefined) break;
      await fillFrom(ports, repository.id, revisions, filled);
      before = last.seq;
      filled.cursor = `${repository.createdAt} ${repository.id} ${before}`;
      if (ports.clock.now() >= deadlineMs) return filled;
    }
  }
  return { ...filled, cursor: null };
}

type Cursor = { createdAt: string; id: string; before: number };

function parseCursor(cursor: string): Cursor {
  const [createdAt = "", id = "", before = ""] = cursor.split(" ");
  return { createdAt, id, before: Number(before) };
}

/** In the trash, too: their chunks are kept. */
async function repositoriesFrom(ports: Ports, from: Cursor | null): Promise<RepositorySummary[]> {
  const all = [...(await pagesOf(ports, "listRepositories", "repository")), ...(await pagesOf(ports, "listTrash", "id"))];
  const placeOf = ({ createdAt, id }: { createdAt: string; id: string }) => `${createdAt} ${id}`;
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

/** Newest first; as many as have some 8,000 chunks. */
async function nextRevisions(ports: Ports, id: RepositoryId, before: number | null): Promise<RevisionEntry[]> {
  const query = { limit: PAGE, ...(before === null ? {} : { before }) };
  const page = await withWhole(repositoryLog(ports, id), () => ports.repositories.listRevisions(id, query));
  let chunks = 0;
  const end = page.findIndex(({ chunkCount }) => {
    chunks += chunkCount;
    return chunks > CHUNKS_AT_ONCE;
  });
  return end < 0 ? page : page.slice(0, Math.max(1, end));
}

async function fillFrom(ports: Ports, id: RepositoryId, revisions: readonly RevisionEntry[], filled: Filled): Promise<void> {
  const entries = new Map<Digest, Entry>();
  const placements = await pooled(revisions, STORE_WIDTH, (revision) => entriesOf(ports, id, revision, filled));
  for (const entry of placements.flat()) if (!entries.has(entry.sha256)) entries.set(entry.sha256, entry);
  const places = [...entries.values()];
  // A key that collection or fsck has condemned would only be refused at the commit.
  for (const sha256 of await condemnedOf(ports, places)) entries.delete(sha256);
  filled.revisions += revisions.length;
  filled.entries += await ports.chunks.addMissing([...entries.values()]);
}

async function entriesOf(ports: Ports, id: RepositoryId, { manifest, attempt }: RevisionEntry, filled: Filled): Promise<Entry[]> {
  const key = envelopeKey(manifest, attempt);
  const bytes = await ports.stores.home.bucket.get(key);
  try {
    if (bytes === null) throw new FerryError("LOG_DAMAGED", { repository: key, problem: "it is missing" });
    const { placement } = decodeRecord(Envelope, bytes, key);
    return placement.map(([sha256, size, tag]) => ({ sha256, size, tag, holder: id, verified: !isClaimed(tag) }));
  } catch (error) {
    if (!(error instanceof FerryError) || error.code !== "LOG_DAMAGED") throw error;
    filled.damaged.push(error.message);
    return [];
  }
}
