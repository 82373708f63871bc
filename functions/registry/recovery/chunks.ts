/**
 * The chunk index from the bucket's envelopes: an entry for every chunk that a living revision names and that has none. What is there
 * stays. Repositories go in order of their creation and revisions from the newest, so that who holds a chunk is, as a rule, who it was.
 */
import type { RepositoryId } from "../../../shared/contract/repositories.ts";
import type { Digest } from "../../../shared/digest.ts";
import { FerryError } from "../../../shared/errors.ts";
import { isClaimed, wrongClaims } from "../claimed.ts";
import { condemnedOf } from "../intents.ts";
import { envelopeKey } from "../layout.ts";
import { pooled, STORE_WIDTH } from "../pool.ts";
import type { ChunkEntry, Ports, RevisionEntry } from "../ports.ts";
import { decodeRecord, Envelope } from "../records.ts";
import { walkRevisions } from "./walk.ts";

/** `cursor`: where the next step goes on; null when all is done. */
export type Filled = { cursor: string | null; revisions: number; entries: number; damaged: string[] };
type Entry = ChunkEntry & { sha256: Digest };

/** From `cursor` on until the time is up. */
export async function fillChunks(ports: Ports, cursor: string | null, deadlineMs: number): Promise<Filled> {
  const filled: Filled = { cursor: null, revisions: 0, entries: 0, damaged: [] };
  const isEnough = () => ports.clock.now() >= deadlineMs;
  const next = await walkRevisions(ports, cursor, isEnough, {
    revisions: ({ id }, revisions) => fillFrom(ports, id, revisions, filled),
    damaged: ({ repository }, problem) => void filled.damaged.push(`${repository}: ${problem}`),
  });
  return { ...filled, cursor: next };
}

async function fillFrom(ports: Ports, id: RepositoryId, revisions: readonly RevisionEntry[], filled: Filled): Promise<void> {
  const entries = new Map<Digest, Entry>();
  const placements = await pooled(revisions, STORE_WIDTH, (revision) => entriesOf(ports, id, revision, filled));
  for (const entry of placements.flat()) {
    const newer = entries.get(entry.sha256);
    if (newer === undefined) entries.set(entry.sha256, entry);
    else if (newer.tag === entry.tag) newer.verified ||= entry.verified;
  }
  // A key that collection or fsck has condemned would only be refused at the commit.
  for (const sha256 of await condemnedOf(ports, [...entries.values()])) entries.delete(sha256);
  filled.revisions += revisions.length;
  filled.entries += await ports.chunks.addMissing([...entries.values()]);
  await confirmClaims(
    ports,
    [...entries.values()].filter(({ tag, verified }) => verified && isClaimed(tag)),
  );
}

/** A chunk that was read through one envelope is right in every other that names the same object. */
async function confirmClaims(ports: Ports, entries: readonly Entry[]): Promise<void> {
  if (entries.length === 0) return;
  const known = await ports.chunks.find(entries.map(({ sha256 }) => sha256));
  const unaware = entries.flatMap(({ sha256, tag }, at) => {
    const entry = known[at] ?? null;
    return entry !== null && entry.tag === tag && !entry.verified ? [{ ...entry, sha256, verified: true }] : [];
  });
  if (unaware.length > 0) await ports.chunks.add(unaware);
}

async function entriesOf(ports: Ports, id: RepositoryId, { manifest, attempt }: RevisionEntry, filled: Filled): Promise<Entry[]> {
  const key = envelopeKey(manifest, attempt);
  const bytes = await ports.stores.home.bucket.get(key);
  try {
    if (bytes === null) throw new FerryError("LOG_DAMAGED", { repository: key, problem: "it is missing" });
    const { placement } = decodeRecord(Envelope, bytes, key);
    const claims = placement.some(([, , tag]) => isClaimed(tag)) ? await wrongClaims(ports, { manifest, attempt }) : null;
    const isVerified = (sha256: Digest, tag: string) => !isClaimed(tag) || (claims !== null && !claims.has(sha256));
    return placement.map(([sha256, size, tag]) => ({ sha256, size, tag, holder: id, verified: isVerified(sha256, tag) }));
  } catch (error) {
    if (!(error instanceof FerryError) || error.code !== "LOG_DAMAGED") throw error;
    filled.damaged.push(error.message);
    return [];
  }
}
