/**
 * Planning a replica. Replication is a writer like any other (publish.ts), with the marker as its commit point:
 *   1. PUT the store's own envelope: from here on its collection sees these chunks as wanted;
 *   2. read its collection's intents: a condemned key is not usable, that chunk is copied under a fresh key;
 *   3. copy what is missing, in tasks;
 *   4. PUT the marker.
 *
 * The envelope's name says its content, its store and the day, and the keys of copied chunks say the day too. So a plan that was lost is
 * made again with the same names, and finds what was copied; and no key is written again after collection, which waits for days, took it.
 */
import { canonical } from "../../../shared/canonical.ts";
import { TASK_CHUNKS_MAX } from "../../../shared/contract/replication.ts";
import type { RepositoryId, RepositorySummary } from "../../../shared/contract/repositories.ts";
import { type Digest, sha256, toHex } from "../../../shared/digest.ts";
import { FerryError } from "../../../shared/errors.ts";
import type { RevisionId, StoreId } from "../../../shared/names.ts";
import { MiB } from "../../../shared/units.ts";
import { type OpenEnvelope, readEnvelope } from "../envelopes.ts";
import { condemnedOf } from "../intents.ts";
import { envelopeKey } from "../layout.ts";
import type { Ports, RevisionEntry } from "../ports.ts";
import { encodeRecord, type Placement } from "../records.ts";
import { atStore } from "./at-store.ts";
import type { ReplicaJob, TaskPlan } from "./ports.ts";
import { findReady } from "./ready.ts";

const DAY_MS = 86_400_000;
/** What an executor has to do again when it dies. */
const TASK_BYTES_MAX = 256 * MiB;
/** What passes at once where the rate is limited. */
const TASK_SECONDS = 20;
const ROUNDS_MAX = 8;

/** `bytesPerSecond`: that may pass into the store; null: any number. `base`: the envelope of a ready replica of the same repository, whose chunks need not be copied again. */
export type Planning = {
  store: StoreId;
  repository: RepositorySummary;
  entry: RevisionEntry;
  urgent: boolean;
  base: Base | null;
  bytesPerSecond?: number | null;
};
export type Base = { manifest: Digest; copy: string };

type Place = { sha256: Digest; size: number; tag: string; own: boolean };

export async function jobId(store: StoreId, repositoryId: RepositoryId, revision: RevisionId): Promise<string> {
  return (await sha256(canonical(["replica", store, repositoryId, revision]))).slice(0, 16);
}

/** Publishes the envelope and begins the job. Throws what the stores throw; nothing of it need be undone. */
export async function planReplica(ports: Ports, planning: Planning): Promise<ReplicaJob> {
  const { store, repository, entry } = planning;
  const view = atStore(ports, store);
  const envelope = await readEnvelope(ports, entry.manifest, entry.attempt);
  const day = Math.floor(ports.clock.now() / DAY_MS);
  const { places, copy } = await publishCopy(view, planning, { envelope, day });
  const tasks = tasksOf(places, Math.min(TASK_BYTES_MAX, TASK_SECONDS * (planning.bytesPerSecond ?? Number.POSITIVE_INFINITY)));
  const from = await sourceOf(ports, planning);
  const job: ReplicaJob = {
    job: await jobId(store, repository.id, entry.revision),
    store,
    repositoryId: repository.id,
    revision: entry.revision,
    seq: entry.seq,
    manifest: entry.manifest,
    attempt: entry.attempt,
    copy,
    source: from.store,
    sourceCopy: from.copy,
    rank: rankOf(entry, planning.urgent),
    tasks: tasks.length,
    chunks: tasks.reduce((sum, task) => sum + task.places.length, 0),
    bytes: tasks.reduce((sum, task) => sum + task.bytes, 0),
    plannedAtMs: ports.clock.now(),
  };
  await ports.jobs.put(job, tasks);
  return job;
}

async function publishCopy(
  view: Ports,
  { store, repository, entry, base }: Planning,
  { envelope, day }: { envelope: OpenEnvelope; day: number },
): Promise<{ places: Place[]; copy: string }> {
  const digests = [...envelope.places.keys()];
  const held = await heldAt(view, base, digests);
  const unusable = new Set<Digest>();
  for (let round = 1; round <= ROUNDS_MAX; round++) {
    // Not of the revision, nor of the repository: of plans that share chunks and are open at once only the first copies them.
    const tags = await view.keyed.macs(["replica", store, String(day), String(round)], digests);
    const places = digests.map((sha256, at): Place => {
      const size = envelope.places.get(sha256)?.size ?? 0;
      const has = held.get(sha256);
      if (has !== undefined && has.size === size && !unusable.has(sha256)) return { sha256, size, tag: has.tag, own: false };
      return { sha256, size, tag: verifiedTag(tags[at] ?? new Uint8Array(8)), own: true };
    });
    const placement: Placement = places.map(({ sha256, size, tag }) => [sha256, size, tag]);
    const copy = (await sha256(canonical(["copy", store, repository.id, entry.revision, placement, day]))).slice(0, 16);
    await view.stores.home.bucket.put(
      envelopeKey(entry.manifest, copy),
      encodeRecord({ v: 1, repositoryId: repository.id, manifest: envelope.manifest, placement }),
    );
    const condemned = await condemnedOf(view, places);
    if (condemned.length === 0) return { places, copy };
    for (const digest of condemned) unusable.add(digest);
  }
  throw new FerryError("STORAGE_UNAVAILABLE", { store, problem: "its collection condemns what is being copied" });
}

/** The top bit clear: what is copied there is checked (upload.ts). */
function verifiedTag(mac: Uint8Array): string {
  const tag = mac.slice(0, 8);
  tag[0] = (tag[0] ?? 0) & 0x7f;
  return toHex(tag);
}

/** Chunks that the store has: by its index, or as a ready replica says. */
async function heldAt(view: Ports, base: Base | null, digests: readonly Digest[]) {
  const held = new Map<Digest, { size: number; tag: string }>();
  const envelope = base === null ? null : await readEnvelope(view, base.manifest, base.copy);
  for (const [digest, place] of envelope?.places ?? []) held.set(digest, place);
  const entries = await view.chunks.find(digests);
  digests.forEach((digest, at) => {
    const known = entries[at];
    if (known?.verified && !held.has(digest)) held.set(digest, { size: known.size, tag: known.tag });
  });
  return held;
}

/** Of at most 32 chunks, and of few enough bytes; one larger chunk is a task of its own. */
function tasksOf(places: readonly Place[], bytesMax: number): TaskPlan[] {
  const tasks: { places: number[]; bytes: number }[] = [];
  places.forEach(({ own, size }, at) => {
    if (!own) return;
    const last = tasks.at(-1);
    if (last === undefined || last.places.length >= TASK_CHUNKS_MAX || last.bytes + size > bytesMax) {
      tasks.push({ places: [at], bytes: size });
      return;
    }
    last.places.push(at);
    last.bytes += size;
  });
  return tasks;
}

/** Tagged before all others, then the smaller before the larger. */
function rankOf({ sizeBytes }: RevisionEntry, urgent: boolean): number {
  return (urgent ? 0 : 1000) + Math.floor(10 * Math.log2(sizeBytes + 1));
}

/** A store beside the target that has the revision, else home. */
async function sourceOf(ports: Ports, { store, repository, entry }: Planning): Promise<{ store: StoreId; copy: string }> {
  const home = ports.stores.home.profile.id;
  const near = new Set(ports.stores.get(store).profile.near ?? []);
  for (const { profile, bucket } of ports.stores.all()) {
    if (profile.id === home || profile.id === store || !profile.near?.some((label) => near.has(label))) continue;
    const ready = await findReady(bucket, repository.id, entry).catch(() => null);
    if (ready !== null) return { store: profile.id, copy: ready.copy };
  }
  return { store: home, copy: entry.attempt };
}
