/**
 * The commit: makes a revision and moves a branch, or changes nothing.
 *
 * Order of writes is design (docs/design.md, Commit):
 *   1. every chunk is proven by this upload or named by the parent, every recipe was sent in it or is named by the parent;
 *   2. PUT envelope: from here on collection sees these chunks as wanted;
 *   3. read collection's intents: a condemned key is not usable, the caller sends it again under a fresh key;
 *   4. PUT log/<seq> create-only: the commit point;
 *   5. the index follows; only then is anything acknowledged. If 5 fails, the retry with the same operation id finds the revision.
 */

import type * as z from "zod";
import { canonical } from "../../shared/canonical.ts";
import type { RepositorySummary, RevisionSummary } from "../../shared/contract/repositories.ts";
import type { CommitRequest } from "../../shared/contract/uploads.ts";
import { type Digest, sha256 } from "../../shared/digest.ts";
import { FerryError } from "../../shared/errors.ts";
import { CHUNK_BYTES_MAX, contentEntries, type Manifest, makeManifest, manifestDigest } from "../../shared/manifest.ts";
import { RevisionId } from "../../shared/names.ts";
import { findRecipe, type OpenEnvelope } from "./envelopes.ts";
import { condemnedOf } from "./intents.ts";
import { chunkKey, envelopeKey } from "./layout.ts";
import { append, type Body, catchUp, findOwn, withWhole } from "./log.ts";
import { repositoryLog } from "./logs.ts";
import { pooled, STORE_WIDTH } from "./pool.ts";
import type { Caller, Ports, Proof } from "./ports.ts";
import { type CommitRecord, encodeRecord, type Placement, type RepositoryRecord } from "./records.ts";
import { envelopeOf, resolveRevision } from "./revisions.ts";
import { openSession, type Session } from "./sessions.ts";

type Request = z.output<typeof CommitRequest>;
type Work = { ports: Ports; caller: Caller; repository: RepositorySummary; session: Session; request: Request };
/** A chunk of the manifest, with what is known of where it is. */
type Placed = { sha256: Digest; size: number; tag: string; proof: Proof | null };

/** How many digests an error names; the caller redoes them and comes again. */
const UNPROVEN_PAGE = 500;
/** A published envelope counts as pending for 72 h; a commit that dawdles longer than this publishes again. */
const PUBLISH_MS_MAX = 600_000;
const DAY_MS = 86_400_000;

export async function commitRevision(
  ports: Ports,
  caller: Caller,
  repository: RepositorySummary,
  upload: string,
  request: Request,
): Promise<RevisionSummary> {
  const session = await openSession(ports, caller, repository.id, upload);
  const work = { ports, caller, repository, session, request };
  const done = await ownRecord(work, session.sinceSeq);
  if (done !== null) return settle(work, done, []);
  try {
    return await makeRevision(work);
  } catch (error) {
    if (!isRefusal(error)) throw error;
    // It may have landed before, with the index losing it and the proofs since: the bucket has the last word.
    const tail = await catchUp(repositoryLog(ports, repository.id));
    const landed = await ownRecord(work, tail.seq);
    if (landed === null) throw error;
    return settle(work, landed, []);
  }
}

async function makeRevision(work: Work): Promise<RevisionSummary> {
  const manifest = makeManifest(work.request.files);
  await checkParent(work);
  const parent = await parentEnvelope(work);
  const sizes = await chunkSizes(work, manifest, parent);
  const placed = await placeChunks(work, sizes, parent);
  const record = await publishAndAppend(work, manifest, placed);
  return settle(work, record, placed);
}

function isRefusal(error: unknown): error is FerryError {
  return error instanceof FerryError && ["BRANCH_MOVED", "CHUNK_UNPROVEN", "RECIPE_UNPROVEN"].includes(error.code);
}

/** This operation's record, if it landed before and an index at `tailSeq` knows. */
async function ownRecord({ ports, caller, repository, session, request }: Work, tailSeq: number): Promise<CommitRecord | null> {
  const log = repositoryLog(ports, repository.id);
  const act = { operationId: request.operationId, actor: caller.name, sinceSeq: session.sinceSeq };
  const record = await withWhole(log, () => findOwn(log, act, tailSeq));
  return record === null ? null : asCommit(record);
}

function asCommit(record: RepositoryRecord): CommitRecord {
  if (record.op !== "commit") throw new FerryError("REQUEST_INVALID", { problem: "operationId: it was used for another act" });
  return record;
}

function refuse(chunks: readonly Digest[], attempt: number): never {
  throw new FerryError("CHUNK_UNPROVEN", { count: chunks.length, attempt, chunks: chunks.slice(0, UNPROVEN_PAGE) });
}

/** Throws BRANCH_MOVED. Asked early to save work, and again at the commit point. */
async function checkParent({ ports, repository, session, request }: Work): Promise<void> {
  const log = repositoryLog(ports, repository.id);
  const current = await withWhole(log, () => ports.repositories.resolveName(repository.id, session.branch));
  if (current !== request.parent)
    throw new FerryError("BRANCH_MOVED", { branch: session.branch, current: current ?? "nothing", expected: request.parent ?? "nothing" });
}

async function parentEnvelope({ ports, repository, session, request }: Work): Promise<OpenEnvelope | null> {
  const base = request.parent ?? session.base;
  return base === null ? null : envelopeOf(ports, await resolveRevision(ports, repository, base));
}

/** Every chunk of the manifest with its size. Throws RECIPE_UNPROVEN, MANIFEST_INVALID. */
async function chunkSizes(work: Work, manifest: Manifest, parent: OpenEnvelope | null): Promise<Map<Digest, number>> {
  const files = contentEntries(manifest);
  const known = new Set(parent === null ? [] : contentEntries(parent.manifest).map((file) => file.recipe));
  const named = [...new Set(files.flatMap((file) => (file.recipe === undefined || known.has(file.recipe) ? [] : [file.recipe])))];
  const missing = named.length === 0 ? [] : await work.ports.uploads.missingRecipes(work.session.id, named);
  if (missing.length > 0) throw new FerryError("RECIPE_UNPROVEN", { count: missing.length, recipes: missing.slice(0, UNPROVEN_PAGE) });
  const sizes = new Map<Digest, number>();
  const add = (path: string, chunk: Digest, size: number) => {
    if (size > CHUNK_BYTES_MAX || (sizes.get(chunk) ?? size) !== size)
      throw new FerryError("MANIFEST_INVALID", { problem: `${path}: chunk ${chunk} has another size` });
    sizes.set(chunk, size);
  };
  for (const file of files) if (file.chunk !== undefined) add(file.path, file.chunk, file.size);
  await pooled(
    files.filter((file) => file.recipe !== undefined),
    STORE_WIDTH,
    async ({ path, recipe: digest, size, sha256: fileDigest }) => {
      const recipe = digest === undefined ? null : await findRecipe(work.ports, digest);
      if (recipe === null) throw new FerryError("RECIPE_UNPROVEN", { count: 1, recipes: [digest] });
      if (recipe.size !== size || recipe.sha256 !== fileDigest)
        throw new FerryError("MANIFEST_INVALID", { problem: `${path}: its recipe makes another file` });
      for (const [chunk, chunkSize] of recipe.chunks) add(path, chunk, chunkSize);
    },
  );
  return sizes;
}

async function placeChunks(work: Work, sizes: ReadonlyMap<Digest, number>, parent: OpenEnvelope | null): Promise<Placed[]> {
  const digests = [...sizes.keys()].sort();
  const proofs = await work.ports.uploads.proofs(work.session.id, digests);
  const placed: Placed[] = [];
  const unproven: Digest[] = [];
  digests.forEach((sha256, at) => {
    const size = sizes.get(sha256) ?? 0;
    const proof = proofs[at] ?? null;
    const inherited = parent?.places.get(sha256);
    if (proof !== null && proof.state !== "reserved") placed.push({ sha256, size, tag: proof.tag, proof });
    else if (inherited?.size === size) placed.push({ sha256, size, tag: inherited.tag, proof: null });
    else unproven.push(sha256);
  });
  if (unproven.length > 0) refuse(unproven, work.request.attempt);
  return placed;
}

async function publishAndAppend(work: Work, manifest: Manifest, placed: readonly Placed[]): Promise<CommitRecord> {
  const { ports, caller, repository, session, request } = work;
  const digest = await manifestDigest(manifest);
  const placement: Placement = placed.map(({ sha256, size, tag }) => [sha256, size, tag]);
  // The key says the content: a retry with the same placement writes the same bytes, another placement has another key. It also says the
  // day: a key is written within one day only, so collection, which waits for 72 h, never deletes one that is written again.
  const publishedAtMs = ports.clock.now();
  const day = Math.floor(publishedAtMs / DAY_MS);
  const attempt = (await sha256(canonical([request.operationId, digest, placement, day]))).slice(0, 16);
  await ports.stores.home.bucket.put(
    envelopeKey(digest, attempt),
    encodeRecord({ v: 1, repositoryId: repository.id, manifest, placement }),
  );
  await refuseCondemned(work, placed);
  const act = { operationId: request.operationId, actor: caller.name, sinceSeq: session.sinceSeq };
  const record = await append(repositoryLog(ports, repository.id), act, async (at): Promise<Body<RepositoryRecord>> => {
    if (ports.clock.now() - publishedAtMs > PUBLISH_MS_MAX)
      throw new FerryError("STORAGE_UNAVAILABLE", { store: "home", problem: "the commit took too long" });
    await checkParent(work);
    return commitBody(work, { manifest: digest, attempt, at }, manifest, placed);
  });
  return asCommit(record);
}

/** After publishing: one of this look and the collector's second scan must see the other. */
async function refuseCondemned({ ports, request }: Work, placed: readonly Placed[]): Promise<void> {
  const condemned = await condemnedOf(
    ports,
    placed.map(({ sha256, tag }) => chunkKey(sha256, tag)),
  );
  const chunks = placed.filter(({ sha256, tag }) => condemned.has(chunkKey(sha256, tag))).map(({ sha256 }) => sha256);
  if (chunks.length > 0) refuse(chunks, request.attempt + 1);
}

async function commitBody(
  { caller, repository, session, request }: Work,
  named: { manifest: Digest; attempt: string; at: string },
  manifest: Manifest,
  placed: readonly Placed[],
): Promise<Body<RepositoryRecord>> {
  const { parent, message, labels, operationId } = request;
  const identity = {
    repository: repository.id,
    parent,
    manifest: named.manifest,
    author: caller.name,
    time: named.at,
    message,
    operation: operationId,
  };
  const revision = RevisionId.parse((await sha256(canonical(identity))).slice(0, 40));
  const files = contentEntries(manifest);
  return {
    op: "commit",
    repositoryId: repository.id,
    branch: session.branch,
    revision,
    parent,
    manifest: named.manifest,
    attempt: named.attempt,
    message,
    fileCount: manifest.files.length,
    sizeBytes: files.reduce((sum, file) => sum + file.size, 0),
    chunkCount: placed.length,
    newBytes: placed.reduce((sum, { size, proof }) => sum + (proof?.state === "proven" ? size : 0), 0),
    labels,
  };
}

/** After the commit point: dedup hints, and the answer. Repeating it is harmless. */
async function settle({ ports, repository, session }: Work, record: CommitRecord, placed: readonly Placed[]): Promise<RevisionSummary> {
  const entries = placed.flatMap(({ sha256, size, tag, proof }) =>
    proof?.state === "proven" && proof.fresh ? [{ sha256, size, tag, holder: repository.id, verified: proof.verified }] : [],
  );
  if (entries.length > 0) await ports.chunks.add(entries);
  await ports.uploads.forget({ repositoryId: repository.id, branch: session.branch, principal: session.principal });
  const { revision, seq, branch, parent, manifest, actor, at, message, fileCount, sizeBytes, chunkCount, newBytes, labels } = record;
  return { revision, seq, branch, parent, manifest, author: actor, time: at, message, fileCount, sizeBytes, chunkCount, newBytes, labels };
}
