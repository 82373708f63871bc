/**
 * The commit of a session: all parts become one revision, or nothing happens. Every rank may ask for it, as often as it likes; the
 * operation is the session's own, so it lands once, and everybody is answered with the same revision.
 */
import type { SessionCommit } from "../../shared/contract/parts.ts";
import type { RepositorySummary, RevisionSummary } from "../../shared/contract/repositories.ts";
import { toHex } from "../../shared/digest.ts";
import { FerryError } from "../../shared/errors.ts";
import { OperationId } from "../../shared/names.ts";
import { isClaimed } from "./claimed.ts";
import { partKey } from "./layout.ts";
import { livingState, valueAt } from "./living.ts";
import { type Act, catchUp, findOwn, withWhole } from "./log.ts";
import { repositoryLog } from "./logs.ts";
import { findPart } from "./parts.ts";
import { type Merged, mergeParts } from "./parts-merge.ts";
import { endSession, refuseAborted, sealedParts } from "./parts-session.ts";
import { pooled, STORE_WIDTH } from "./pool.ts";
import type { Caller, Ports } from "./ports.ts";
import { asCommit, publishRevision, summaryOfRecord } from "./publish.ts";
import type { CommitRecord } from "./records.ts";
import { openSharedSession, type SharedSession } from "./sessions.ts";

const LEASE_MS = 60_000;
/** How often the branch may move under a commit that takes whatever head it has. */
const ROUNDS_MAX = 8;

type Work = { ports: Ports; caller: Caller; repository: RepositorySummary; session: SharedSession; request: SessionCommit; act: Act };

/** Throws PARTS_MISSING naming them, SESSION_ENDED, SESSION_BUSY, PATH_TAKEN, and what any commit throws. */
export async function commitSession(
  ports: Ports,
  caller: Caller,
  repository: RepositorySummary,
  upload: string,
  request: SessionCommit,
): Promise<RevisionSummary> {
  const session = await openSharedSession(ports, caller, repository.id, upload);
  const act = { operationId: await operationOf(ports, session), actor: caller.name, sinceSeq: session.sinceSeq };
  const work = { ports, caller, repository, session, request, act };
  const done = await ownRecord(work, session.sinceSeq);
  if (done !== null) return summaryOfRecord(done);
  await refuseAborted(ports, session);
  await demandSealed(ports, session);
  try {
    return summaryOfRecord(await withLease(work, () => land(work)));
  } catch (error) {
    if (!(error instanceof FerryError) || error.retryable) throw error;
    // It may have landed before, with the index losing it since: the bucket has the last word.
    const tail = await catchUp(repositoryLog(ports, repository.id));
    const landed = await ownRecord(work, tail.seq);
    if (landed === null) throw error;
    return summaryOfRecord(landed);
  }
}

/** Nobody but this deployment can name it, so no other commit takes its place. */
async function operationOf(ports: Ports, { id }: SharedSession): Promise<OperationId> {
  return OperationId.parse(toHex(await ports.keyed.mac("session commit", id)).slice(0, 32));
}

async function ownRecord({ ports, repository, act }: Work, tailSeq: number): Promise<CommitRecord | null> {
  const log = repositoryLog(ports, repository.id);
  const record = await withWhole(log, () => findOwn(log, act, tailSeq));
  return record === null ? null : asCommit(record);
}

async function demandSealed(ports: Ports, session: SharedSession): Promise<void> {
  const sealed = new Set(await sealedParts(ports, session));
  const missing = Array.from({ length: session.parts }, (_, part) => part).filter((part) => !sealed.has(part));
  if (missing.length === 0) return;
  throw new FerryError("PARTS_MISSING", { session: session.session, missing: rangesText(missing), parts: session.parts });
}

/** `0, 3-5, 9`. */
function rangesText(numbers: readonly number[]): string {
  const ranges: [number, number][] = [];
  for (const number of numbers) {
    const last = ranges.at(-1);
    if (last !== undefined && last[1] === number - 1) last[1] = number;
    else ranges.push([number, number]);
  }
  return ranges.map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`)).join(", ");
}

/**
 * When the last part is sealed all ranks ask at once, and each would read all parts: one of them does. 256 names serve all sessions,
 * since the index keeps every name of a lease for ever.
 */
async function withLease<T>({ ports, session }: Work, work: () => Promise<T>): Promise<T> {
  const name = `session-${session.id.slice(0, 2)}`;
  const owner = toHex(ports.random.bytes(8));
  if ((await ports.leases.acquire(name, owner, LEASE_MS)) === null)
    throw new FerryError("SESSION_BUSY", { session: session.session, retryAfterSeconds: 1 });
  try {
    return await work();
  } finally {
    await ports.leases.release(name, owner);
  }
}

async function land(work: Work): Promise<CommitRecord> {
  const { ports, repository, session } = work;
  const numbers = Array.from({ length: session.parts }, (_, part) => part);
  const parts = await pooled(numbers, STORE_WIDTH, async (part) => {
    const key = partKey(session.repositoryId, session.id, part);
    const found = await findPart(ports, key);
    if (found === null) throw new FerryError("STORAGE_UNAVAILABLE", { store: "home", problem: `${key} is gone again` });
    return found;
  });
  const merged = mergeParts(parts);
  const record = await publish(work, merged);
  const entries = merged.places.filter(({ origin }) => origin === "first");
  if (entries.length > 0)
    await ports.chunks.add(
      entries.map(({ sha256, size, tag }) => ({ sha256, size, tag, holder: repository.id, verified: !isClaimed(tag) })),
    );
  return record;
}

/** Onto the head that was asked for; without one, onto whatever head there is. */
async function publish({ ports, caller, repository, session, request, act }: Work, merged: Merged): Promise<CommitRecord> {
  const { manifest, places, attempt } = merged;
  const sent = places.filter(({ origin }) => origin !== "kept");
  for (let round = 1; ; round++) {
    const { branches } = await livingState(ports, repository);
    const parent = request.parent === undefined ? (valueAt(branches, session.branch) ?? null) : request.parent;
    try {
      const { record } = await publishRevision(ports, {
        repository,
        author: caller.name,
        operationId: act.operationId,
        sinceSeq: session.sinceSeq,
        attempt,
        branch: session.branch,
        parent,
        message: request.message,
        labels: request.labels,
        metrics: request.metrics,
        source: request.source,
        origin: null,
        content: merged.content,
        manifest,
        places,
        newBytes: sent.reduce((sum, { size }) => sum + size, 0),
        newChunks: sent.length,
        decide: () => endSession(ports, caller, session, "committed"),
      });
      return record;
    } catch (error) {
      const moved = error instanceof FerryError && error.code === "BRANCH_MOVED";
      if (!moved || request.parent !== undefined || round >= ROUNDS_MAX) throw error;
    }
  }
}
