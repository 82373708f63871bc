/**
 * How every writer of a revision writes it. The order is design (docs/design.md, Commit):
 *   1. PUT envelope: from here on collection sees these chunks as wanted;
 *   2. read collection's intents: a condemned key is not usable, the caller sends that chunk again under a fresh key;
 *   3. PUT log/<seq> create-only: the commit point;
 *   4. the index follows; only then is anything acknowledged. If that fails, the retry with the same operation id finds the revision.
 */
import { canonical } from "../../shared/canonical.ts";
import type { ContentReport } from "../../shared/contract/content.ts";
import type { Origin, RepositoryId, RepositorySummary, RevisionSummary, Source, Usage } from "../../shared/contract/repositories.ts";
import { type Digest, sha256 } from "../../shared/digest.ts";
import { FerryError } from "../../shared/errors.ts";
import { contentEntries, type Manifest, manifestDigest } from "../../shared/manifest.ts";
import { type OperationId, type RefName, RevisionId } from "../../shared/names.ts";
import { isClaimed, noteClaimed } from "./claimed.ts";
import { refuseContent } from "./content.ts";
import { condemnedOf } from "./intents.ts";
import { envelopeKey } from "./layout.ts";
import { livingState } from "./living.ts";
import { append, type Body, withWhole } from "./log.ts";
import { repositoryLog } from "./logs.ts";
import type { Ports } from "./ports.ts";
import { refuseOverQuota } from "./quota.ts";
import { type CommitRecord, encodeRecord, type Placement, type RepositoryRecord } from "./records.ts";

/** `places`: every chunk of the manifest once, sorted by digest. `attempt`: what CHUNK_UNPROVEN counts on from. */
export type Publication = {
  repository: RepositorySummary;
  author: string;
  operationId: OperationId;
  sinceSeq: number;
  attempt: number;
  branch: RefName;
  parent: RevisionId | null;
  message: string;
  labels: Record<string, string>;
  metrics: Record<string, string>;
  source: Source;
  origin: Origin | null;
  content: ContentReport | null;
  manifest: Manifest;
  places: readonly { sha256: Digest; size: number; tag: string }[];
  newBytes: number;
  newChunks: number;
  /** Asked last, right before the commit point; throws to refuse. */
  decide?: () => Promise<void>;
};

/** How many digests an error names; the caller redoes them and comes again. */
export const UNPROVEN_PAGE = 500;
/** A published envelope counts as pending for 72 h; a commit that dawdles longer than this starts over. */
const PUBLISH_MS_MAX = 600_000;
const DAY_MS = 86_400_000;

/** `isOwn`: the record names the envelope that was published here; else another request of the same operation came first, with its own. */
export type Published = { record: CommitRecord; isOwn: boolean };

export async function publishRevision(ports: Ports, publication: Publication): Promise<Published> {
  const { repository, operationId, author, sinceSeq, manifest, places } = publication;
  const digest = await manifestDigest(manifest);
  const placement: Placement = places.map(({ sha256, size, tag }) => [sha256, size, tag]);
  // The key says the content: a retry with the same placement writes the same bytes, another placement has another key. It also says the
  // day: a key is written within one day only, so collection, which waits for 72 h, never deletes one that is written again.
  const growth = growthOf(publication);
  await refuseBySettings(ports, publication, growth);
  const publishedAtMs = ports.clock.now();
  const day = Math.floor(publishedAtMs / DAY_MS);
  // And whose it is: an operation id is one act's in one repository, and another repository's may be the same.
  const attempt = (await sha256(canonical([repository.id, operationId, digest, placement, day]))).slice(0, 16);
  await ports.stores.home.bucket.put(
    envelopeKey(digest, attempt),
    encodeRecord({ v: 1, repositoryId: repository.id, manifest, placement }),
  );
  if (places.some(({ tag }) => isClaimed(tag))) await noteClaimed(ports, { manifest: digest, attempt });
  await refuseCondemned(ports, publication);
  const appended = await append(repositoryLog(ports, repository.id), { operationId, actor: author, sinceSeq }, async (at, ports) => {
    if (ports.clock.now() - publishedAtMs > PUBLISH_MS_MAX)
      throw new FerryError("STORAGE_UNAVAILABLE", { store: "home", problem: "the commit took too long" });
    await checkHead(ports, repository.id, publication.branch, publication.parent);
    await refuseBySettings(ports, publication, growth);
    await publication.decide?.();
    return bodyOf(publication, { digest, attempt, at });
  });
  const record = asCommit(appended);
  return { record, isOwn: record.manifest === digest && record.attempt === attempt };
}

/** Throws BRANCH_MOVED. Asked early to save work, and again right before the commit point. */
export async function checkHead(ports: Ports, id: RepositoryId, branch: RefName, expected: RevisionId | null): Promise<void> {
  const current = await withWhole(repositoryLog(ports, id), () => ports.repositories.resolveName(id, branch));
  if (current !== expected)
    throw new FerryError("BRANCH_MOVED", { branch, current: current ?? "nothing", expected: expected ?? "nothing" });
}

export function refuseChunks(chunks: readonly Digest[], attempt: number): never {
  throw new FerryError("CHUNK_UNPROVEN", { count: chunks.length, attempt, chunks: chunks.slice(0, UNPROVEN_PAGE) });
}

export function asCommit(record: RepositoryRecord): CommitRecord {
  if (record.op !== "commit") throw new FerryError("REQUEST_INVALID", { problem: "operationId: it was used for another act" });
  return record;
}

export function summaryOfRecord(record: CommitRecord): RevisionSummary {
  return {
    revision: record.revision,
    seq: record.seq,
    branch: record.branch,
    parent: record.parent,
    manifest: record.manifest,
    author: record.actor,
    time: record.at,
    message: record.message,
    fileCount: record.fileCount,
    sizeBytes: record.sizeBytes,
    chunkCount: record.chunkCount,
    newBytes: record.newBytes,
    newChunks: record.newChunks,
    labels: record.labels,
    metrics: record.metrics,
    source: record.source,
    origin: record.origin,
    ...(record.content === undefined ? {} : { content: record.content }),
    modifiedBy: null,
    modifiedAt: null,
    deletedAt: null,
  };
}

/** Throws QUOTA_EXCEEDED and what content.ts throws. */
async function refuseBySettings(ports: Ports, { repository, manifest, content }: Publication, growth: Usage): Promise<void> {
  const state = await livingState(ports, repository);
  refuseOverQuota(repository, state, growth);
  refuseContent(repository, state.settings, manifest, content);
}

/** What the repository's usage grows by. */
function growthOf({ manifest, newBytes, newChunks }: Publication): Usage {
  const logicalBytes = contentEntries(manifest).reduce((sum, file) => sum + file.size, 0);
  return { logicalBytes, storedBytes: newBytes, objects: newChunks };
}

/** After publishing: one of this look and the collector's second scan must see the other. */
async function refuseCondemned(ports: Ports, { places, attempt }: Publication): Promise<void> {
  const chunks = await condemnedOf(ports, places);
  if (chunks.length > 0) refuseChunks(chunks, attempt + 1);
}

async function bodyOf(publication: Publication, named: { digest: Digest; attempt: string; at: string }): Promise<Body<RepositoryRecord>> {
  const { repository, parent, author, message, operationId, branch, manifest, places } = publication;
  const { labels, metrics, source, origin, content, newBytes, newChunks } = publication;
  const identity = { repository: repository.id, parent, manifest: named.digest, author, time: named.at, message, operation: operationId };
  const revision = RevisionId.parse((await sha256(canonical(identity))).slice(0, 40));
  return {
    op: "commit",
    repositoryId: repository.id,
    branch,
    revision,
    parent,
    manifest: named.digest,
    attempt: named.attempt,
    message,
    fileCount: manifest.files.length,
    sizeBytes: growthOf(publication).logicalBytes,
    chunkCount: places.length,
    newBytes,
    newChunks,
    labels,
    metrics,
    source,
    origin,
    ...(content === null ? {} : { content }),
  };
}
