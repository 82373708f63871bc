/** The job that reads claimed chunks (claimed.ts): right ones become as good as any other, wrong ones are never offered to anybody again. */
import type { RepositoryId } from "../../../shared/contract/repositories.ts";
import { type Digest, toHex } from "../../../shared/digest.ts";
import { FerryError } from "../../../shared/errors.ts";
import { isClaimed, keepVerified } from "../claimed.ts";
import { condemn } from "../condemn.ts";
import { CLAIMED_PREFIX, claimedKey, claimedOfKey, type EnvelopeName, envelopeKey } from "../layout.ts";
import { pooled } from "../pool.ts";
import type { ChunkEntry, Ports } from "../ports.ts";
import { decodeRecord, Envelope } from "../records.ts";

const LEASE = "verify";
const LEASE_MS = 120_000;
/** Chunks that are read at once. */
const READ_WIDTH = 3;
/** Chunks between two looks at the clock. */
const SLICE = 12;

type Place = { sha256: Digest; size: number; tag: string };

/** `left`: there is more to do. */
export type ClaimsRead = {
  envelopes: number;
  chunks: number;
  bytes: number;
  right: number;
  wrong: Place[];
  missing: Place[];
  left: boolean;
};

/**
 * Envelopes that were noted before `olderThanMs`, by the store's clock, until the time is up. While a commit is under way its chunks' entries
 * are not in the index yet, and would take the place of what the job says of them.
 */
export async function readClaims(ports: Ports, olderThanMs: number, deadlineMs: number): Promise<ClaimsRead> {
  const read: ClaimsRead = { envelopes: 0, chunks: 0, bytes: 0, right: 0, wrong: [], missing: [], left: true };
  const owner = toHex(ports.random.bytes(8));
  const { objects, more } = await ports.stores.home.bucket.list(CLAIMED_PREFIX);
  const due = objects.filter(({ modifiedAtMs }) => modifiedAtMs <= olderThanMs);
  if (due.length === 0) return { ...read, left: more };
  if ((await ports.leases.acquire(LEASE, owner, LEASE_MS)) === null) return read;
  try {
    for (const { key } of due) {
      const name = claimedOfKey(key);
      if (name !== null && !(await readNoted(ports, name, read, deadlineMs))) return read;
    }
  } finally {
    await ports.leases.release(LEASE, owner);
  }
  return { ...read, left: more };
}

/** False: the time was up. An envelope that can't be read stays noted: it is fsck's to tell, and keeps no other from its turn. */
async function readNoted(ports: Ports, name: EnvelopeName, read: ClaimsRead, deadlineMs: number): Promise<boolean> {
  try {
    return await readEnvelopeClaims(ports, name, read, deadlineMs);
  } catch (error) {
    if (!(error instanceof FerryError) || error.code !== "LOG_DAMAGED") throw error;
    return true;
  }
}

/** False: the time was up before all were read. Those that were right are known to the index, and not read again. */
async function readEnvelopeClaims(ports: Ports, name: EnvelopeName, read: ClaimsRead, deadlineMs: number): Promise<boolean> {
  const { bucket } = ports.stores.home;
  const bytes = await bucket.get(envelopeKey(name.manifest, name.attempt));
  // Collected since, or never written.
  if (bytes === null) {
    await bucket.delete([claimedKey(name)]);
    return true;
  }
  const { placement, repositoryId } = decodeRecord(Envelope, bytes, envelopeKey(name.manifest, name.attempt));
  const places = placement.filter(([, , tag]) => isClaimed(tag)).map(([sha256, size, tag]) => ({ sha256, size, tag }));
  const seen: Seen = { wrong: [], missing: [] };
  for (let at = 0; at < places.length; at += SLICE) {
    if (ports.clock.now() >= deadlineMs) return false;
    await readSlice(ports, repositoryId, places.slice(at, at + SLICE), read, seen);
  }
  await condemn(ports, [...seen.wrong, ...seen.missing]);
  await keepVerified(ports, name, { wrong: digestsOf(seen.wrong), missing: digestsOf(seen.missing) });
  read.envelopes++;
  read.wrong.push(...seen.wrong);
  read.missing.push(...seen.missing);
  return true;
}

type Seen = { wrong: Place[]; missing: Place[] };

function digestsOf(places: readonly Place[]): Digest[] {
  return places.map(({ sha256 }) => sha256);
}

async function readSlice(ports: Ports, id: RepositoryId, places: readonly Place[], read: ClaimsRead, seen: Seen): Promise<void> {
  const entries = await ports.chunks.find(digestsOf(places));
  const right: (ChunkEntry & { sha256: Digest })[] = [];
  await pooled(places, READ_WIDTH, async (place, at) => {
    const entry = entries[at] ?? null;
    if (entry?.tag === place.tag && entry.verified) return;
    const content = await ports.stores.home.chunks.content(place);
    read.chunks++;
    read.bytes += content?.sizeBytes ?? 0;
    if (content === null) seen.missing.push(place);
    else if (content.sha256 !== place.sha256 || content.sizeBytes !== place.size) seen.wrong.push(place);
    else right.push({ ...place, holder: holderOf(entry, place, id), verified: true });
  });
  read.right += right.length;
  // Another upload's copy that is verified already serves as well as this one.
  const better = right.filter(({ sha256, tag }) => {
    const entry = entries[places.findIndex((place) => place.sha256 === sha256)] ?? null;
    return entry === null || entry.tag === tag || !entry.verified;
  });
  if (better.length > 0) await ports.chunks.add(better);
}

function holderOf(entry: ChunkEntry | null, { tag }: Place, id: RepositoryId): RepositoryId {
  return entry?.tag === tag ? entry.holder : id;
}
