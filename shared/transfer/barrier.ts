/**
 * The end of a push that is one part of a session: seal it, then ask for the commit until all other parts are sealed, too. Whoever asks
 * when they are makes the revision; all get the same one.
 */
import type { JoinedSession } from "../contract/parts.ts";
import type { RevisionSummary } from "../contract/repositories.ts";
import type { Digest } from "../digest.ts";
import { FerryError } from "../errors.ts";
import { OperationId, RevisionId } from "../names.ts";
import type { PushSession } from "./contract.ts";
import type { PushChunks } from "./push-chunks.ts";
import { type Committing, describing, isCode, provingAll, unprovenOf } from "./push-commit.ts";
import type { PushSetting } from "./push-setting.ts";

const POLL_MS_MIN = 250;
const POLL_MS_MAX = 3000;
/** Many ranks that wait ask less often each: all of them together some 30 times a second, for they may share one token's limits. */
const POLL_MS_A_PART = 40;
const POLL_GROWTH = 1.5;

export function joinSession({ client, request, machine }: PushSetting, session: PushSession, signal: AbortSignal): Promise<JoinedSession> {
  const { repository, branch } = request;
  const body = { session: session.name, branch, parts: session.parts, operationId: OperationId.parse(machine.operationId()) };
  return client.call("joinSession", { repository, body }, signal);
}

/** Throws PARTS_MISSING when parts are missing still at the end of the wait, and what sealing and committing throw. */
export async function commitTogether(setting: PushSetting, committing: Committing, session: PushSession): Promise<RevisionSummary> {
  const { machine } = setting;
  const { signal } = committing;
  await seal(setting, committing, session);
  const untilMs = machine.nowMs() + session.waitMs;
  let pauseMs = POLL_MS_MIN;
  for (;;) {
    const failure = await commit(setting, committing);
    if (!(failure instanceof FerryError)) return failure;
    if (isCode(failure, "PARTS_MISSING")) session.onWaiting?.(String(failure.details["missing"]));
    else if (isCode(failure, "CHUNK_UNPROVEN")) await redoOwn(setting, { committing, session, failure });
    else if (!failure.retryable) throw failure;
    const leftMs = untilMs - machine.nowMs();
    if (leftMs <= 0) throw failure;
    // Spread out, or all ranks would ask in the same moment.
    await machine.sleep(Math.min(leftMs, pauseMs * (0.5 + machine.random() / 2)), signal);
    pauseMs = Math.min(pauseMs * POLL_GROWTH, POLL_MS_MAX + POLL_MS_A_PART * session.parts);
  }
}

async function seal({ client, request, machine }: PushSetting, committing: Committing, session: PushSession): Promise<void> {
  const { upload, chunks, files, content, signal } = committing;
  const params = { upload: upload.upload, part: String(session.part) };
  const operationId = OperationId.parse(machine.operationId());
  await provingAll(committing, () => {
    const body = { files, attempt: chunks.attempt, operationId, ...(content === null ? {} : { content }) };
    return client.call("sealPart", { repository: request.repository, params, body }, signal);
  });
}

/** The revision, or why there is none yet. */
async function commit(setting: PushSetting, { upload, signal }: Committing): Promise<RevisionSummary | FerryError> {
  const { client, request } = setting;
  const parent = request.parent === undefined ? {} : { parent: RevisionId.nullable().parse(request.parent) };
  const body = { ...describing(setting), ...parent };
  try {
    return await client.call("commitSession", { repository: request.repository, params: { upload: upload.upload }, body }, signal);
  } catch (error) {
    if (error instanceof FerryError) return error;
    throw error;
  }
}

type Redoing = { committing: Committing; session: PushSession; failure: FerryError };

/** Collection wants chunks that were sealed: each rank brings its own again, and seals them at their new places. */
async function redoOwn(setting: PushSetting, { committing, session, failure }: Redoing): Promise<void> {
  const { count, attempt, chunks: page } = unprovenOf(failure);
  const { chunks } = committing;
  const own = count > page.length ? chunks.all : ownOf(page, chunks);
  if (own.length === 0) return;
  await chunks.redo(own, attempt);
  await seal(setting, committing, session);
}

function ownOf(page: readonly Digest[], chunks: PushChunks): Digest[] {
  const all = new Set(chunks.all);
  return page.filter((digest) => all.has(digest));
}
