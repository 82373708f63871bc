/**
 * Named sessions: whoever names one first opens it, all others join it. The opening is one create-only object in the bucket, from which
 * every caller gets the same upload; so a session needs no index, and survives the loss of it.
 */
import type { JoinedSession, JoinRequest, OpenSession, SessionList } from "../../shared/contract/parts.ts";
import { DEFAULT_BRANCH, type RepositorySummary } from "../../shared/contract/repositories.ts";
import { toHex } from "../../shared/digest.ts";
import { FerryError } from "../../shared/errors.ts";
import { isoTime } from "../../shared/time.ts";
import { partOfKey, partPrefix, sessionEndKey, sessionEndPrefix, sessionKey, sessionOfKey, sessionPrefix } from "./layout.ts";
import { listAll } from "./listing.ts";
import { livingState, valueAt } from "./living.ts";
import { End, Opening } from "./parts-records.ts";
import { pooled, STORE_WIDTH } from "./pool.ts";
import type { Caller, Ports } from "./ports.ts";
import { decodeRecord, encodeRecord } from "./records.ts";
import { demandHome } from "./replicate/follow.ts";
import { openSharedSession, SESSION_SECONDS_MAX, type SharedSession, sealSession } from "./sessions.ts";
import { describeUpload, ticketMode } from "./upload.ts";

const SESSION_MS_MAX = SESSION_SECONDS_MAX * 1000;

/** Throws SESSION_DISAGREES, and SESSION_ENDED when it was aborted or has expired. To join one that was committed is fine: its parts are sealed. */
export async function joinSession(
  ports: Ports,
  caller: Caller,
  repository: RepositorySummary,
  request: JoinRequest,
): Promise<JoinedSession> {
  if (ports.follower) await demandHome(ports);
  const mode = await ticketMode(ports, undefined);
  const { seq, branches, tags } = await livingState(ports, repository);
  const { session, branch, parts } = request;
  if (valueAt(tags, branch) !== undefined) throw new FerryError("REQUEST_INVALID", { problem: `branch: ${branch} is a tag` });
  const parent = valueAt(branches, branch) ?? null;
  const opening = await findOrOpen(ports, {
    v: 1,
    id: toHex(ports.random.bytes(8)),
    repositoryId: repository.id,
    session,
    branch,
    parts,
    sinceSeq: seq,
    base: parent ?? valueAt(branches, DEFAULT_BRANCH) ?? null,
    openedAtMs: ports.clock.now(),
    openedBy: caller.name,
  });
  if (opening.branch !== branch) throw disagrees(session, "branch", opening.branch, branch);
  if (opening.parts !== parts) throw disagrees(session, "parts", opening.parts, parts);
  if (isExpired(ports, opening)) throw new FerryError("SESSION_ENDED", { session, how: "has expired" });
  await refuseAborted(ports, opening);
  return { ...describeUpload({ upload: await uploadOf(ports, opening), branch, parent, mode }), session, parts };
}

async function findOrOpen(ports: Ports, mine: Opening): Promise<Opening> {
  const { bucket } = ports.stores.home;
  const key = sessionKey(mine.repositoryId, mine.session);
  if ((await bucket.create(key, encodeRecord(mine))) === "created") return mine;
  const opening = await readOpening(ports, key);
  // Collection deletes what expired: between the two requests, then.
  if (opening === null) throw new FerryError("STORAGE_UNAVAILABLE", { store: "home", problem: `${key} is gone again` });
  return opening;
}

async function readOpening(ports: Ports, key: string): Promise<Opening | null> {
  const bytes = await ports.stores.home.bucket.get(key);
  return bytes === null ? null : decodeRecord(Opening, bytes, key);
}

function disagrees(session: string, what: string, opened: string | number, given: string | number): FerryError {
  return new FerryError("SESSION_DISAGREES", { session, what, opened, given });
}

function isExpired(ports: Ports, { openedAtMs }: { openedAtMs: number }): boolean {
  return ports.clock.now() - openedAtMs > SESSION_MS_MAX;
}

function uploadOf(ports: Ports, { v: _, openedBy: __, ...session }: Opening): Promise<string> {
  return sealSession(ports, session satisfies SharedSession);
}

/** What an opening and a shared session both say. */
type Named = Pick<SharedSession, "repositoryId" | "id" | "session">;

/** Throws SESSION_ENDED. */
export async function refuseAborted(ports: Ports, session: Named): Promise<void> {
  const end = await findEnd(ports, endKeyOf(session));
  if (end?.state === "aborted") throw ended(session.session, end);
}

function endKeyOf({ repositoryId, session, id }: Named): string {
  return sessionEndKey(repositoryId, session, id);
}

async function findEnd(ports: Ports, key: string): Promise<End | null> {
  const bytes = await ports.stores.home.bucket.get(key);
  return bytes === null ? null : decodeRecord(End, bytes, key);
}

function ended(session: string, { state, by, at }: End): FerryError {
  return new FerryError("SESSION_ENDED", { session, how: `was ${state} by ${by} at ${at}` });
}

/**
 * Decides how the session ends. The first word holds: throws SESSION_ENDED when it was the other one. So no revision comes after an
 * abort was answered, and no abort is answered once a revision may come.
 */
export async function endSession(ports: Ports, caller: Caller, session: SharedSession, state: End["state"]): Promise<void> {
  const key = endKeyOf(session);
  const end: End = { v: 1, state, by: caller.name, at: isoTime(ports.clock.now()) };
  if ((await ports.stores.home.bucket.create(key, encodeRecord(end))) === "created") return;
  const first = await findEnd(ports, key);
  if (first === null) throw new FerryError("STORAGE_UNAVAILABLE", { store: "home", problem: `${key} is gone again` });
  if (first.state !== state) throw ended(session.session, first);
}

export async function abortSession(ports: Ports, caller: Caller, repository: RepositorySummary, upload: string): Promise<void> {
  await endSession(ports, caller, await openSharedSession(ports, caller, repository.id, upload), "aborted");
}

export async function listSessions(ports: Ports, { id }: RepositorySummary): Promise<SessionList> {
  const { bucket } = ports.stores.home;
  const [openings, ends] = await Promise.all([listAll(bucket, sessionPrefix(id)), listAll(bucket, sessionEndPrefix(id))]);
  const endedAtMs = new Map<string, number>();
  for (const { key, modifiedAtMs } of ends) endedAtMs.set(sessionOfKey(key), Math.max(modifiedAtMs, endedAtMs.get(sessionOfKey(key)) ?? 0));
  // An end that is older than the opening is that of an earlier session of this name, whose own opening is deleted.
  const living = openings.filter(({ key, modifiedAtMs }) => modifiedAtMs > (endedAtMs.get(sessionOfKey(key)) ?? -1));
  const found = await pooled(living, STORE_WIDTH, async ({ key }) => {
    const opening = await readOpening(ports, key);
    return opening === null || isExpired(ports, opening) ? null : describe(ports, opening);
  });
  return { sessions: found.filter((session) => session !== null).sort((a, b) => (a.openedAt > b.openedAt ? -1 : 1)) };
}

async function describe(ports: Ports, opening: Opening): Promise<OpenSession> {
  const { session, branch, parts, openedBy, openedAtMs } = opening;
  const sealed = await sealedParts(ports, opening);
  const expiresAt = isoTime(openedAtMs + SESSION_MS_MAX);
  return { session, upload: await uploadOf(ports, opening), branch, parts, sealed, openedBy, openedAt: isoTime(openedAtMs), expiresAt };
}

/** Numbers of the sealed parts, in order. */
export async function sealedParts(ports: Ports, { repositoryId, id }: Named): Promise<number[]> {
  const objects = await listAll(ports.stores.home.bucket, partPrefix(repositoryId, id));
  return objects.map(({ key }) => partOfKey(key));
}
