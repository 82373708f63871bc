/**
 * The upload: for each chunk either `have` or a ticket, then a look whether it is there.
 *
 * `have` is answered only for a chunk that this upload stored, that the base revision of this repository names, or whose index entry is
 * verified and held by a repository that the caller may pull. Any other chunk is sent again under the upload's own key: to know a digest
 * gives nothing, and the answer is the same whether or not somebody else stores it.
 */
import { DEFAULT_BRANCH, type RepositoryId, type RepositorySummary, type Usage } from "../../shared/contract/repositories.ts";
import {
  CONFIRM_PAGE_MAX,
  type Confirmation,
  type ConfirmRequest,
  RESERVE_PAGE_MAX,
  type Reservation,
  type ReserveRequest,
  type TicketMode,
  type Upload,
} from "../../shared/contract/uploads.ts";
import { type Digest, toHex } from "../../shared/digest.ts";
import { FerryError } from "../../shared/errors.ts";
import type { RefName, RevisionId } from "../../shared/names.ts";
import type { Recipe } from "../../shared/recipe.ts";
import { may } from "./access.ts";
import { storeRecipe } from "./envelopes.ts";
import { livingState, valueAt } from "./living.ts";
import { withWhole } from "./log.ts";
import { systemLog } from "./logs.ts";
import { pooled, STORE_WIDTH } from "./pool.ts";
import type { Caller, ChunkEntry, Ports, Proof, UploadKey } from "./ports.ts";
import { refuseOverQuota } from "./quota.ts";
import { demandHome } from "./replicate/follow.ts";
import { findBase } from "./revisions.ts";
import { type OwnSession, openSession, readSession, SESSION_SECONDS_MAX, type Session, sealSession } from "./sessions.ts";

/** Opens an upload, or offers the caller's unfinished one of this branch again, so that a killed push goes on with no local state. */
export async function openUpload(ports: Ports, caller: Caller, repository: RepositorySummary, branch: RefName): Promise<Upload> {
  // What can't be committed here is not to be sent.
  if (ports.follower) await demandHome(ports);
  const mode = await ticketMode(ports, undefined);
  const { seq, branches, tags } = await livingState(ports, repository);
  if (valueAt(tags, branch) !== undefined) throw new FerryError("REQUEST_INVALID", { problem: `branch: ${branch} is a tag` });
  const parent = valueAt(branches, branch) ?? null;
  const key = { repositoryId: repository.id, branch, principal: caller.tokenId };
  const unfinished = await ports.uploads.current(key);
  const again = unfinished !== null && (await readSession(ports, unfinished)) !== null ? unfinished : null;
  const upload = again ?? (await sealSession(ports, newSession(ports, key, seq, parent ?? branches[DEFAULT_BRANCH] ?? null)));
  if (again === null) await rememberUpload(ports, key, upload);
  return describeUpload({ upload, branch, parent, mode });
}

/** Throws UPLOADS_EXCEEDED. */
async function rememberUpload(ports: Ports, key: UploadKey, upload: string): Promise<void> {
  const max = ports.limits.openUploads;
  if (!(await ports.uploads.remember(key, upload, ports.clock.now(), max))) throw new FerryError("UPLOADS_EXCEEDED", { max });
}

export function describeUpload(own: Pick<Upload, "upload" | "branch" | "parent" | "mode">): Upload {
  return {
    ...own,
    reservePageMax: RESERVE_PAGE_MAX,
    confirmPageMax: CONFIRM_PAGE_MAX,
    expiresInSeconds: SESSION_SECONDS_MAX,
  };
}

function newSession(
  ports: Ports,
  key: Pick<OwnSession, "repositoryId" | "branch" | "principal">,
  sinceSeq: number,
  base: RevisionId | null,
): OwnSession {
  return { ...key, id: toHex(ports.random.bytes(8)), sinceSeq, base, openedAtMs: ports.clock.now() };
}

/** The strongest way that the home store is proven to check a PUT, or the plainer one that was asked for, if that is proven too. */
export async function ticketMode(ports: Ports, asked: "md5" | undefined): Promise<TicketMode> {
  const { profile } = ports.stores.home;
  const probe = await ports.stores.home.probed();
  if (probe === null) throw new FerryError("STORE_UNPROVEN", { store: profile.id });
  const mode = asked === undefined ? probe.modes[0] : probe.modes.find((proven) => proven === asked);
  if (mode === undefined || !probe.createOnly) throw new FerryError("STORE_UNSAFE", { store: profile.id });
  return mode;
}

export async function reserveChunks(
  ports: Ports,
  caller: Caller,
  repository: RepositorySummary,
  upload: string,
  request: ReserveRequest,
): Promise<Reservation> {
  const session = await openSession(ports, caller, repository.id, upload);
  const mode = await ticketMode(ports, request.mode);
  const claims = distinct(request.chunks);
  const digests = claims.map((claim) => claim.sha256);
  const [proofs, entries] = await Promise.all([ports.uploads.proofs(session.id, digests), ports.chunks.find(digests)]);
  const known = await readable(ports, caller, repository.id, entries);
  const base = await basePlaces(ports, repository, session);
  const tags = await chunkTags(ports, session, request.attempt, mode, digests);
  const verdicts = claims.map((claim, at) => {
    const proof = proofs[at] ?? null;
    const entry = entries[at] ?? null;
    if (isDone(proof, claim.size, request.attempt)) return { claim, proof: null };
    const held = request.attempt === 1 ? holding(claim, entry, known, base) : null;
    if (held !== null)
      return { claim, proof: { state: "had", size: claim.size, attempt: request.attempt, fresh: false, ...held } satisfies Proof };
    const fresh = entry === null || entry.tag === proof?.tag;
    const tag = tags[at] ?? "";
    const reserved = {
      state: "reserved",
      tag,
      size: claim.size,
      attempt: request.attempt,
      fresh,
      verified: mode !== "md5",
    } satisfies Proof;
    return { claim, proof: reserved };
  });
  const news = new Map<Digest, Proof>();
  for (const { claim, proof } of verdicts) if (proof !== null) news.set(claim.sha256, proof);
  const places = verdicts.flatMap(({ claim, proof }) => (proof?.state === "reserved" ? [{ ...claim, tag: proof.tag }] : []));
  if (mode === "md5") for (const { sha256, md5 } of places) if (md5 === undefined) throw needsMd5(sha256);
  if (places.length > 0) refuseOverQuota(repository, await livingState(ports, repository), growthOf(places));
  if (news.size > 0) await ports.uploads.record(session.id, news);
  const have = verdicts.filter(({ proof }) => proof?.state !== "reserved").map(({ claim }) => claim.sha256);
  return { have, tickets: places.length === 0 ? null : await ports.stores.home.chunks.tickets(mode, places) };
}

/** What these tickets bring when a commit names all of them; the commit looks again at all pages together. */
function growthOf(places: readonly { size: number }[]): Usage {
  return { logicalBytes: 0, storedBytes: places.reduce((sum, { size }) => sum + size, 0), objects: places.length };
}

function needsMd5(sha256: Digest): FerryError {
  return new FerryError("REQUEST_INVALID", { problem: `chunks: ${sha256} has no md5, which this store's tickets need` });
}

function distinct(claims: ReserveRequest["chunks"]): ReserveRequest["chunks"] {
  const sizes = new Map<Digest, number>();
  return claims.filter((claim) => {
    const size = sizes.get(claim.sha256);
    if (size !== undefined && size !== claim.size)
      throw new FerryError("REQUEST_INVALID", { problem: `chunks: ${claim.sha256} has two sizes` });
    sizes.set(claim.sha256, claim.size);
    return size === undefined;
  });
}

function isDone(proof: Proof | null, size: number, attempt: number): boolean {
  return proof !== null && proof.size === size && proof.state !== "reserved" && proof.attempt >= attempt;
}

type Held = { tag: string; verified: boolean };

function holding(
  claim: { sha256: Digest; size: number },
  entry: ChunkEntry | null,
  known: ReadonlySet<string>,
  base: ReadonlyMap<Digest, { size: number; tag: string }>,
): Held | null {
  if (entry?.verified && entry.size === claim.size && known.has(entry.holder)) return { tag: entry.tag, verified: true };
  const place = base.get(claim.sha256);
  return place !== undefined && place.size === claim.size ? { tag: place.tag, verified: false } : null;
}

/** Ids of the holders that the caller may pull. */
async function readable(
  ports: Ports,
  caller: Caller,
  own: RepositoryId,
  entries: readonly (ChunkEntry | null)[],
): Promise<ReadonlySet<string>> {
  const holders = [...new Set(entries.flatMap((entry) => (entry === null ? [] : [entry.holder])))];
  // Also asked without any: how long an answer takes must not tell whether somebody has the chunk.
  const asked = holders.length === 0 ? [own] : holders;
  const names = await withWhole(systemLog(ports), () => ports.system.namesOf(asked));
  return new Set(
    holders.filter((id) => {
      const name = names.get(id);
      return name !== undefined && may(caller, "pull", name);
    }),
  );
}

async function basePlaces(
  ports: Ports,
  repository: RepositorySummary,
  session: Session,
): Promise<ReadonlyMap<Digest, { size: number; tag: string }>> {
  if (session.base === null) return new Map();
  return (await findBase(ports, repository, session.base))?.places ?? new Map();
}

/**
 * The upload's own tags, 8 bytes as hex. The top bit says what a key is worth: clear when the store checked the content against the
 * digest in the key, set when it did not (`md5` tickets). So a claimed chunk is never taken for a verified one, also after the index
 * forgot which ticket was given, and a rebuild from the bucket knows.
 */
async function chunkTags(ports: Ports, session: Session, attempt: number, mode: TicketMode, digests: readonly Digest[]): Promise<string[]> {
  const claimed = mode === "md5";
  const macs = await ports.keyed.macs(["chunk", session.id, String(attempt), claimed ? "claimed" : "verified"], digests);
  return macs.map((mac) => {
    const tag = mac.slice(0, 8);
    tag[0] = claimed ? (tag[0] ?? 0) | 0x80 : (tag[0] ?? 0) & 0x7f;
    return toHex(tag);
  });
}

/** Looks whether chunks are stored under this upload's keys. Being there proves possession: nobody else gets a ticket for these keys. */
export async function confirmChunks(
  ports: Ports,
  caller: Caller,
  repository: RepositorySummary,
  upload: string,
  request: ConfirmRequest,
): Promise<Confirmation> {
  const session = await openSession(ports, caller, repository.id, upload);
  const mode = await ticketMode(ports, request.mode);
  const digests = request.chunks.map((chunk) => chunk.sha256);
  const tags = await chunkTags(ports, session, request.attempt, mode, digests);
  const places = request.chunks.map((chunk, at) => ({ ...chunk, tag: tags[at] ?? "" }));
  const [lengths, proofs] = await Promise.all([ports.stores.home.chunks.lengths(places), ports.uploads.proofs(session.id, digests)]);
  const proven = new Map<Digest, Proof>();
  const missing: Digest[] = [];
  places.forEach(({ sha256, size, tag }, at) => {
    if (lengths[at] !== size) missing.push(sha256);
    // Without a reservation on record (a lost index) nothing is known of other copies: the commit then leaves the index entry alone.
    else
      proven.set(sha256, {
        state: "proven",
        tag,
        size,
        attempt: request.attempt,
        fresh: proofs[at]?.fresh ?? false,
        verified: mode !== "md5",
      });
  });
  if (proven.size > 0) await ports.uploads.record(session.id, proven);
  return { missing };
}

/** Stores recipes; having sent one is what lets a commit of this upload name it. */
export async function sendRecipes(
  ports: Ports,
  caller: Caller,
  repository: RepositorySummary,
  upload: string,
  recipes: readonly Recipe[],
): Promise<Digest[]> {
  const session = await openSession(ports, caller, repository.id, upload);
  const digests = await pooled(recipes, STORE_WIDTH, (recipe) => storeRecipe(ports, recipe));
  await ports.uploads.addRecipes(session.id, digests);
  return digests;
}
