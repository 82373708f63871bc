/**
 * Mending, in three phases that may die and be done again:
 *   1. *plan*: where a whole copy of each bad chunk may be;
 *   2. *copy*: each is copied to home under a fresh key, its SHA-256 checked on the way, and recipes are brought from other stores;
 *   3. *mend*: each revision that names a bad key gets an envelope that names the fresh one instead.
 * The last is a writer like any other (publish.ts): it PUTs the envelope, looks for intents of collection, and then appends a record, by
 * which the revision adopts the envelope. The old envelope is dead from then on, and with it its need of the bad key.
 */
import { canonical } from "../../../shared/canonical.ts";
import type { BadChunk, FsckRun } from "../../../shared/contract/fsck.ts";
import type { RepositorySummary } from "../../../shared/contract/repositories.ts";
import { Digest, sha256, toHex } from "../../../shared/digest.ts";
import { FerryError } from "../../../shared/errors.ts";
import { OperationId } from "../../../shared/names.ts";
import { actOnce } from "../acts.ts";
import { isClaimed, noteClaimed } from "../claimed.ts";
import { condemnedOf } from "../intents.ts";
import { envelopeKey, recipeKey } from "../layout.ts";
import { repositoryLog } from "../logs.ts";
import { pooled, STORE_WIDTH } from "../pool.ts";
import type { Ports, RevisionEntry } from "../ports.ts";
import { decodeRecord, Envelope, encodeRecord, type Placement } from "../records.ts";
import { walkRevisions } from "../recovery/walk.ts";
import { writeMode } from "../replicate/tasks.ts";
import { copiesOf, copyHome, type Place, type Search } from "./copies.ts";

const COPY_WIDTH = 3;
const PLAN_WIDTH = 12;
/** Collection keeps its flags for longer: what it took of the fresh keys meanwhile is known. */
const RUN_MS_MAX = 7 * 86_400_000;
/** As publish.ts has it. */
const PUBLISH_MS_MAX = 600_000;
const DAY_MS = 86_400_000;

export async function planStep(ports: Ports, state: FsckRun, deadlineMs: number): Promise<FsckRun> {
  return eachBad(ports, state, { width: PLAN_WIDTH, deadlineMs }, async (search, chunk) => {
    const { value } = await copiesOf(search, chunk).next();
    return { ...chunk, source: value === undefined ? null : { store: value.store.profile.id, tag: value.tag } };
  });
}

export async function copyStep(ports: Ports, state: FsckRun, deadlineMs: number): Promise<FsckRun> {
  const run = state.cursor === null ? await bringRecipes(ports, state) : state;
  const { home } = ports.stores;
  const mode = run.bad.some(({ source }) => source !== null) ? await writeMode(home) : "unchecked";
  return eachBad(ports, run, { width: COPY_WIDTH, deadlineMs }, async (search, chunk) => {
    let count = 0;
    for await (const copy of copiesOf(search, chunk)) {
      const mac = (await ports.keyed.mac("fsck", run.run, chunk.sha256, String(++count))).slice(0, 8);
      // The top bit clear: it is checked (claimed.ts).
      mac[0] = (mac[0] ?? 0) & 0x7f;
      const place = { sha256: chunk.sha256, size: chunk.size, tag: toHex(mac) };
      if (await copyHome(search, mode, copy, place))
        return { ...chunk, source: { store: copy.store.profile.id, tag: copy.tag }, fresh: place.tag };
    }
    return { ...chunk, source: null };
  });
}

/** Of the run's bad chunks, from its cursor on, until the time is up. */
async function eachBad(
  ports: Ports,
  state: FsckRun,
  { width, deadlineMs }: { width: number; deadlineMs: number },
  work: (search: Search, chunk: BadChunk) => Promise<BadChunk>,
): Promise<FsckRun> {
  const names = new Set(state.bad.map(nameOf));
  const search: Search = { ports, isBad: (place) => names.has(nameOf(place)), unasked: new Set() };
  const bad = [...state.bad];
  let at = Number(state.cursor ?? 0);
  for (; at < bad.length && ports.clock.now() < deadlineMs; at += width)
    bad.splice(at, width, ...(await pooled(bad.slice(at, at + width), width, (chunk) => work(search, chunk))));
  const [store] = search.unasked;
  const problem = store === undefined ? state.problem : `store ${store} did not answer`;
  return { ...state, bad, problem, cursor: at < bad.length ? String(at) : null };
}

/** A recipe is named by its digest, so it is the same wherever it is. */
async function bringRecipes(ports: Ports, state: FsckRun): Promise<FsckRun> {
  const findings = await pooled(state.findings, STORE_WIDTH, async (finding) => {
    const digest = finding.kind.startsWith("recipe.") ? Digest.safeParse(finding.what) : null;
    const store = digest?.success ? await bringRecipe(ports, digest.data) : null;
    return store === null ? finding : { ...finding, severity: "note" as const, detail: `${finding.detail}; brought from ${store}` };
  });
  return { ...state, findings };
}

/** The store it came from; null: home's own is right, or nobody else has it. */
async function bringRecipe({ stores }: Ports, digest: Digest): Promise<string | null> {
  const key = recipeKey(digest);
  for (const { profile, bucket } of [stores.home, ...stores.all()]) {
    const bytes = await bucket.get(key).catch(() => null);
    if (bytes === null || (await sha256(bytes)) !== digest) continue;
    if (profile.id === stores.home.profile.id) return null;
    await stores.home.bucket.put(key, bytes);
    return profile.id;
  }
  return null;
}

/** All revisions from the run's cursor on, until the time is up. */
export async function mendStep(ports: Ports, state: FsckRun, deadlineMs: number): Promise<FsckRun> {
  if (ports.clock.now() - state.startedAtMs > RUN_MS_MAX) return { ...state, phase: "aborted", problem: "it took too long" };
  const fresh = new Map(state.bad.flatMap((chunk) => (chunk.fresh === null ? [] : [[nameOf(chunk), chunk.fresh] as const])));
  let { mended, problem } = state;
  const cursor = await walkRevisions(ports, state.cursor, () => ports.clock.now() >= deadlineMs, {
    async revisions(repository, revisions) {
      for (const end of await pooled(revisions, STORE_WIDTH, (entry) => mend(ports, state.run, { repository, entry, fresh }))) {
        if (end === "mended") mended++;
        if (end === "refused") problem = "some of it was collected meanwhile; repair once more";
      }
    },
    damaged() {},
  });
  return { ...state, mended, problem, cursor };
}

type Patient = { repository: RepositorySummary; entry: RevisionEntry; fresh: ReadonlyMap<string, string> };

async function mend(ports: Ports, run: string, { repository, entry, fresh }: Patient): Promise<"mended" | "refused" | null> {
  const { bucket } = ports.stores.home;
  const { id } = repository;
  const { revision, manifest } = entry;
  const envelope = await readable(ports, entry);
  const places: Place[] = [];
  const placement = (envelope?.placement ?? []).map(([sha256, size, tag]): Placement[number] => {
    const other = fresh.get(nameOf({ sha256, tag }));
    if (other !== undefined) places.push({ sha256, size, tag: other });
    return [sha256, size, other ?? tag];
  });
  if (envelope === null || places.length === 0) return null;
  const publishedAtMs = ports.clock.now();
  // Of one day, as every envelope's name is (docs/decisions/0004).
  const day = Math.floor(publishedAtMs / DAY_MS);
  const attempt = (await sha256(canonical(["adopt", id, revision, placement, day]))).slice(0, 16);
  await bucket.put(envelopeKey(manifest, attempt), encodeRecord({ ...envelope, placement }));
  if (placement.some(([, , tag]) => isClaimed(tag))) await noteClaimed(ports, { manifest, attempt });
  if ((await condemnedOf(ports, places)).length > 0) return "refused";
  const operationId = OperationId.parse(toHex((await ports.keyed.mac("fsck", run, id, revision)).subarray(0, 16)));
  const record = await actOnce(repositoryLog(ports, id), { operationId, actor: "fsck" }, { op: "adopt" }, async (_, ports) => {
    if (ports.clock.now() - publishedAtMs > PUBLISH_MS_MAX)
      throw new FerryError("STORAGE_UNAVAILABLE", { store: "home", problem: "the repair took too long" });
    const current = await ports.repositories.findRevision(id, revision);
    return current?.attempt === entry.attempt ? { op: "adopt" as const, repositoryId: id, revision, manifest, attempt } : null;
  });
  if (record === null) return null;
  await ports.chunks.add(places.map((place) => ({ ...place, holder: id, verified: true })));
  return "mended";
}

/** Null: it is damage of its own, and told as that. */
async function readable(ports: Ports, { manifest, attempt }: RevisionEntry): Promise<Envelope | null> {
  const key = envelopeKey(manifest, attempt);
  const bytes = await ports.stores.home.bucket.get(key);
  try {
    return bytes === null ? null : decodeRecord(Envelope, bytes, key);
  } catch {
    return null;
  }
}

/** What was mended is told as a note: the next look finds it whole. */
export function settled(run: FsckRun): FsckRun {
  const lost = new Set(run.bad.flatMap(({ sha256, fresh }) => (fresh === null ? [sha256] : [])));
  const sources = new Map(run.bad.map(({ sha256, source }) => [String(sha256), source?.store]));
  const findings = run.findings.map((finding) => {
    const store = lost.has(finding.what as Digest) ? undefined : sources.get(finding.what);
    return store === undefined ? finding : { ...finding, severity: "note" as const, detail: `${finding.detail}; brought from ${store}` };
  });
  return { ...run, findings };
}

function nameOf({ sha256, tag }: { sha256: Digest; tag: string }): string {
  return `${sha256}~${tag}`;
}
