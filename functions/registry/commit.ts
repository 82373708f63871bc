/**
 * The commit: makes a revision and moves a branch, or changes nothing.
 * Here: every chunk is proven by this upload or named by the parent, every recipe was sent in it or is named by the parent.
 * Then publish.ts writes, in the order that all writers keep.
 */

import type * as z from "zod";
import type { RepositorySummary, RevisionSummary } from "../../shared/contract/repositories.ts";
import type { CommitRequest } from "../../shared/contract/uploads.ts";
import type { Digest } from "../../shared/digest.ts";
import { FerryError } from "../../shared/errors.ts";
import { CHUNK_BYTES_MAX, contentEntries, type Manifest, makeManifest, manifestDigest } from "../../shared/manifest.ts";
import { findRecipe, type OpenEnvelope } from "./envelopes.ts";
import { catchUp, findOwn, withWhole } from "./log.ts";
import { repositoryLog } from "./logs.ts";
import { pooled, STORE_WIDTH } from "./pool.ts";
import type { Caller, Ports, Proof } from "./ports.ts";
import { asCommit, checkHead, publishRevision, refuseChunks, summaryOfRecord, UNPROVEN_PAGE } from "./publish.ts";
import type { CommitRecord } from "./records.ts";
import { findBase } from "./revisions.ts";
import { type OwnSession, openOwnSession } from "./sessions.ts";

type Request = z.output<typeof CommitRequest>;
type Work = {
  ports: Ports;
  caller: Caller;
  repository: RepositorySummary;
  session: OwnSession;
  request: Request;
  manifest: Manifest;
  digest: Digest;
};
/** A chunk of the manifest, with what is known of where it is. */
export type Placed = { sha256: Digest; size: number; tag: string; proof: Proof | null };

export async function commitRevision(
  ports: Ports,
  caller: Caller,
  repository: RepositorySummary,
  upload: string,
  request: Request,
): Promise<RevisionSummary> {
  const session = await openOwnSession(ports, caller, repository.id, upload);
  const manifest = makeManifest(request.files);
  const work = { ports, caller, repository, session, request, manifest, digest: await manifestDigest(manifest) };
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
  await checkHead(work.ports, work.repository.id, work.session.branch, work.request.parent);
  const parent = await parentEnvelope(work);
  const { ports, caller, repository, session, request, manifest } = work;
  const placed = await proveChunks(ports, { uploadId: session.id, attempt: request.attempt, manifest, base: parent });
  const fresh = placed.filter(({ proof }) => proof?.state === "proven");
  const { record, isOwn } = await publishRevision(ports, {
    repository,
    author: caller.name,
    operationId: request.operationId,
    sinceSeq: session.sinceSeq,
    attempt: request.attempt,
    branch: session.branch,
    parent: request.parent,
    message: request.message,
    labels: request.labels,
    metrics: request.metrics,
    source: request.source,
    origin: null,
    content: request.content ?? null,
    manifest,
    places: placed,
    newBytes: fresh.reduce((sum, { size }) => sum + size, 0),
    newChunks: fresh.length,
  });
  return settle(work, record, isOwn ? placed : []);
}

function isRefusal(error: unknown): error is FerryError {
  return (
    error instanceof FerryError &&
    ["BRANCH_MOVED", "CHUNK_UNPROVEN", "RECIPE_UNPROVEN", "QUOTA_EXCEEDED", "CONTENT_UNSCANNED", "FORMAT_UNSAFE", "SECRETS_FOUND"].includes(
      error.code,
    )
  );
}

/** This operation's record, if it landed before and an index at `tailSeq` knows. */
async function ownRecord({ ports, caller, repository, session, request, digest }: Work, tailSeq: number): Promise<CommitRecord | null> {
  const log = repositoryLog(ports, repository.id);
  const act = { operationId: request.operationId, actor: caller.name, sinceSeq: session.sinceSeq };
  const record = await withWhole(log, () => findOwn(log, act, tailSeq));
  if (record === null) return null;
  const commit = asCommit(record);
  const same = commit.branch === session.branch && commit.parent === request.parent && commit.manifest === digest;
  if (!same) throw new FerryError("REQUEST_INVALID", { problem: "operationId: it was used for another commit" });
  return commit;
}

async function parentEnvelope({ ports, repository, session, request }: Work): Promise<OpenEnvelope | null> {
  const base = request.parent ?? session.base;
  return base === null ? null : findBase(ports, repository, base);
}

/** `base`: an envelope of this repository, whose recipes and chunks count as proven. */
export type Proving = { uploadId: string; attempt: number; manifest: Manifest; base: OpenEnvelope | null };

/** Every chunk of the manifest once, sorted by digest, with its place. Throws RECIPE_UNPROVEN, CHUNK_UNPROVEN, MANIFEST_INVALID. */
export async function proveChunks(ports: Ports, proving: Proving): Promise<Placed[]> {
  await demandRecipes(ports, proving);
  return placeChunks(ports, proving, await chunkSizes(ports, proving.manifest));
}

async function demandRecipes(ports: Ports, { uploadId, manifest, base }: Proving): Promise<void> {
  const known = new Set(base === null ? [] : contentEntries(base.manifest).map((file) => file.recipe));
  const recipes = contentEntries(manifest).flatMap(({ recipe }) => (recipe === undefined || known.has(recipe) ? [] : [recipe]));
  const missing = recipes.length === 0 ? [] : await ports.uploads.missingRecipes(uploadId, [...new Set(recipes)]);
  if (missing.length > 0) throw new FerryError("RECIPE_UNPROVEN", { count: missing.length, recipes: missing.slice(0, UNPROVEN_PAGE) });
}

async function chunkSizes(ports: Ports, manifest: Manifest): Promise<Map<Digest, number>> {
  const files = contentEntries(manifest);
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
      const recipe = digest === undefined ? null : await findRecipe(ports, digest);
      if (recipe === null) throw new FerryError("RECIPE_UNPROVEN", { count: 1, recipes: [digest] });
      if (recipe.size !== size || recipe.sha256 !== fileDigest)
        throw new FerryError("MANIFEST_INVALID", { problem: `${path}: its recipe makes another file` });
      for (const [chunk, chunkSize] of recipe.chunks) add(path, chunk, chunkSize);
    },
  );
  return sizes;
}

async function placeChunks(ports: Ports, { uploadId, attempt, base }: Proving, sizes: ReadonlyMap<Digest, number>): Promise<Placed[]> {
  const digests = [...sizes.keys()].sort();
  const proofs = await ports.uploads.proofs(uploadId, digests);
  const placed: Placed[] = [];
  const unproven: Digest[] = [];
  digests.forEach((sha256, at) => {
    const size = sizes.get(sha256) ?? 0;
    const proof = proofs[at] ?? null;
    const inherited = base?.places.get(sha256);
    // Its identity is (sha256, size): a proof of another length proves nothing.
    if (proof !== null && proof.state !== "reserved" && proof.size === size) placed.push({ sha256, size, tag: proof.tag, proof });
    else if (inherited?.size === size) placed.push({ sha256, size, tag: inherited.tag, proof: null });
    else unproven.push(sha256);
  });
  if (unproven.length > 0) refuseChunks(unproven, attempt);
  return placed;
}

/** After the commit point: dedup hints for the places that the record names, and the answer. Repeating it is harmless. */
async function settle({ ports, repository, session }: Work, record: CommitRecord, placed: readonly Placed[]): Promise<RevisionSummary> {
  const entries = placed.flatMap(({ sha256, size, tag, proof }) =>
    proof?.state === "proven" && proof.fresh ? [{ sha256, size, tag, holder: repository.id, verified: proof.verified }] : [],
  );
  if (entries.length > 0) await ports.chunks.add(entries);
  await ports.uploads.forget({ repositoryId: repository.id, branch: session.branch, principal: session.principal });
  return summaryOfRecord(record);
}
