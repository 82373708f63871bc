/** Sifting chunks: by partition, whatever is not live and old enough is garbage. Then the rails, and the intent. */
import type { CollectRun } from "../../../shared/contract/collect.ts";
import { FerryError } from "../../../shared/errors.ts";
import { FINGERPRINT_BYTES, holdsFingerprint } from "../fingerprints.ts";
import { CHUNK_PREFIX, chunkKey, intentKey } from "../layout.ts";
import { pagesOf } from "../listing.ts";
import { pooled, STORE_WIDTH } from "../pool.ts";
import type { ObjectInfo, Ports } from "../ports.ts";
import { readEnvelopes } from "./scan.ts";
import { checkWitnesses } from "./witnesses.ts";
import { fingerprintOfKey, intentOf, type LiveKind, partitionsOf, readKeys, readLive, writeKeys } from "./work.ts";

/** Partitions from the state's `part` on, until the time is up. Moves on to `publish`, or `done` for a dry run. */
export async function siftStep(ports: Ports, state: CollectRun, deadlineMs: number): Promise<CollectRun> {
  const partitions = partitionsOf(state);
  let next = state;
  while (next.part < partitions.length) {
    next = { ...(await siftPartition(ports, next, partitions[next.part] ?? "")), part: next.part + 1 };
    if (ports.clock.now() >= deadlineMs) break;
  }
  if (next.part < partitions.length) return next;
  checkRails(ports, next);
  const phase = state.dryRun || next.garbage + next.deadEnvelopes.length === 0 ? "done" : "publish";
  return { ...next, phase, part: 0 };
}

async function siftPartition(ports: Ports, state: CollectRun, partition: string): Promise<CollectRun> {
  const { bucket } = ports.stores.home;
  const live = await readLive(bucket, state.run, "live", partition);
  const pending = await readLive(bucket, state.run, "pending", partition);
  const oldestMs = (state.scanFromMs ?? 0) - ports.margins.chunkAgeMs;
  const sifted: Sifted = { chunks: 0, chunkBytes: 0, found: 0, garbage: [] };
  for await (const object of orderedChunks(ports, partition)) siftObject(sifted, object, { live, pending, oldestMs });
  const room = ports.margins.garbageMax - state.garbage;
  const garbage = sifted.garbage.slice(0, room);
  const keys = garbage.map(({ key }) => key);
  await writeKeys(bucket, state.run, "garbage", partition, keys);
  return {
    ...state,
    chunks: state.chunks + sifted.chunks,
    chunkBytes: state.chunkBytes + sifted.chunkBytes,
    missing: state.missing + live.length / FINGERPRINT_BYTES - sifted.found,
    garbage: state.garbage + keys.length,
    garbageBytes: garbage.reduce((sum, { sizeBytes }) => sum + sizeBytes, state.garbageBytes),
    more: state.more || sifted.garbage.length > room,
  };
}

type Sifted = { chunks: number; chunkBytes: number; found: number; garbage: ObjectInfo[] };

function siftObject(
  sifted: Sifted,
  object: ObjectInfo,
  { live, pending, oldestMs }: { live: Uint8Array; pending: Uint8Array; oldestMs: number },
): void {
  sifted.chunks++;
  sifted.chunkBytes += object.sizeBytes;
  const fingerprint = fingerprintOfKey(object.key);
  if (holdsFingerprint(live, fingerprint)) sifted.found++;
  else if (object.modifiedAtMs <= oldestMs && !holdsFingerprint(pending, fingerprint)) sifted.garbage.push(object);
}

/** A listing out of order could repeat or skip: the run stops. */
async function* orderedChunks(ports: Ports, partition: string): AsyncGenerator<ObjectInfo> {
  let last = "";
  for await (const page of pagesOf(ports.stores.home.bucket, CHUNK_PREFIX + partition)) {
    for (const object of page) {
      if (object.key <= last) throw new FerryError("COLLECT_REFUSED", { problem: `the listing of ${partition} is not in order` });
      last = object.key;
      yield object;
    }
  }
}

/**
 * What is missing shows damage, and damage is looked at before anything goes. Mistakes (a key spelled otherwise, a lost listing) make
 * much garbage at once; a small store has no share worth the name.
 */
function checkRails(ports: Ports, state: CollectRun): void {
  if (!state.dryRun && state.missing > 0)
    throw new FerryError("COLLECT_REFUSED", { problem: `${state.missing} chunks that revisions name are missing` });
  const shareMax = state.shareMaxPermille === null ? ports.margins.shareMax : state.shareMaxPermille / 1000;
  if (state.dryRun || state.garbage <= 100 || state.garbage <= state.chunks * shareMax) return;
  const percent = Math.round((100 * state.garbage) / state.chunks);
  throw new FerryError("COLLECT_REFUSED", {
    problem: `${percent} % of all chunks would go; allow it with a larger share if that is right`,
  });
}

/** Checks the canaries, then publishes the run's intent: from now on no commit takes these keys. */
export async function publishStep(ports: Ports, state: CollectRun): Promise<CollectRun> {
  const { bucket } = ports.stores.home;
  await checkCanaries(ports, state);
  const keys = (await pooled(partitionsOf(state), STORE_WIDTH, (partition) => readKeys(bucket, state.run, "garbage", partition))).flat();
  // Create-only, and the same bytes on a repeated step: an intent never changes.
  await bucket.create(intentKey(state.run), intentOf(keys));
  const published = await bucket.head(intentKey(state.run));
  if (published === null) throw new FerryError("STORAGE_UNAVAILABLE", { store: "home", problem: "a write is not seen after it" });
  return { ...state, phase: "wait", publishedAtMs: published.modifiedAtMs };
}

/** Every chunk of some live envelopes must be known as live: catches a scan and a sift that spell keys in two ways. */
async function checkCanaries(ports: Ports, state: CollectRun): Promise<void> {
  const isLive = seenBy(ports, state, ["live"]);
  for (const key of state.canaries)
    if ((await isLive(key)) === false) throw new FerryError("COLLECT_REFUSED", { problem: `a chunk of ${key} was not seen` });
  // What was named only after the scan had read it is pending there, and as safe.
  const isSafe = seenBy(ports, state, ["live", "pending"]);
  await checkWitnesses(ports, state, async (key) => (await isSafe(key)) === true);
}

/** Tells whether the scan has seen all chunks of an envelope, as one of these kinds; null when there is no such envelope. */
function seenBy(ports: Ports, state: CollectRun, kinds: readonly LiveKind[]): (key: string) => Promise<boolean | null> {
  const partitions = new Map<string, Promise<Uint8Array[]>>();
  const seenIn = (partition: string) => {
    const read = () => Promise.all(kinds.map((kind) => readLive(ports.stores.home.bucket, state.run, kind, partition)));
    const seen = partitions.get(partition) ?? read();
    partitions.set(partition, seen);
    return seen;
  };
  return async (key) => {
    const [read] = await readEnvelopes(ports, [{ key, sizeBytes: 0, modifiedAtMs: 0 }]);
    if (read === undefined) return null;
    for (const [sha256, , tag] of read.envelope.placement) {
      const fingerprint = fingerprintOfKey(chunkKey(sha256, tag));
      const seen = await seenIn(sha256.slice(0, state.digits));
      if (!seen.some((set) => holdsFingerprint(set, fingerprint))) return false;
    }
    return true;
  };
}
