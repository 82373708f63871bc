/**
 * The name of an upload is a signed text that holds all that must not be lost: whose it is, for which branch, and the tail of the log
 * when it began. So an upload survives the loss of the index; what the index knows about its chunks can be proven again.
 *
 * An upload is one caller's own, or shared: then it has the name of a session, and everybody may use it who may push to its repository.
 */
import * as z from "zod";
import { SessionName } from "../../shared/contract/parts.ts";
import { RepositoryId } from "../../shared/contract/repositories.ts";
import { fromBase64Url, toBase64Url } from "../../shared/digest.ts";
import { FerryError } from "../../shared/errors.ts";
import { RefName, RevisionId } from "../../shared/names.ts";
import type { Caller, Ports } from "./ports.ts";

export const SESSION_SECONDS_MAX = 7 * 86_400;

const common = {
  id: z.string().regex(/^[0-9a-f]{16}(?![\s\S])/),
  repositoryId: RepositoryId,
  branch: RefName,
  /** Tail of the repository's log when the upload was opened; never later than the bucket's. */
  sinceSeq: z.int(),
  /** A revision of this repository whose chunks need not be sent again. */
  base: RevisionId.nullable(),
  openedAtMs: z.int(),
};
const OwnSession = z.strictObject({ ...common, principal: z.string() });
export type OwnSession = z.infer<typeof OwnSession>;
const SharedSession = z.strictObject({ ...common, session: SessionName, parts: z.int() });
export type SharedSession = z.infer<typeof SharedSession>;
const Session = z.union([OwnSession, SharedSession]);
export type Session = z.infer<typeof Session>;

const MAC_BYTES = 16;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

export async function sealSession(ports: Ports, session: Session): Promise<string> {
  const payload = toBase64Url(encoder.encode(JSON.stringify(session)));
  return `${payload}.${await seal(ports, payload)}`;
}

/** Throws UPLOAD_UNKNOWN for anything that is not a living upload on this repository, of this caller or shared. */
export async function openSession(ports: Ports, caller: Caller, repositoryId: RepositoryId, upload: string): Promise<Session> {
  const session = await readSession(ports, upload);
  const here = session !== null && session.repositoryId === repositoryId;
  if (!here || (!isShared(session) && session.principal !== caller.tokenId)) throw new FerryError("UPLOAD_UNKNOWN");
  return session;
}

/** The same for what only the caller's own uploads are for. Throws REQUEST_INVALID for a shared one. */
export async function openOwnSession(ports: Ports, caller: Caller, repositoryId: RepositoryId, upload: string): Promise<OwnSession> {
  const session = await openSession(ports, caller, repositoryId, upload);
  if (!isShared(session)) return session;
  throw new FerryError("REQUEST_INVALID", { problem: `upload: it is that of session ${session.session}, which is committed as a whole` });
}

/** The same for what only shared uploads are for. */
export async function openSharedSession(ports: Ports, caller: Caller, repositoryId: RepositoryId, upload: string): Promise<SharedSession> {
  const session = await openSession(ports, caller, repositoryId, upload);
  if (isShared(session)) return session;
  throw new FerryError("REQUEST_INVALID", { problem: "upload: it is not that of a session" });
}

function isShared(session: Session): session is SharedSession {
  return "session" in session;
}

/** Null unless the text is one of ours and not expired. */
export async function readSession(ports: Ports, upload: string): Promise<Session | null> {
  const [payload = "", mac = "", ...rest] = upload.split(".");
  if (rest.length > 0 || mac !== (await seal(ports, payload))) return null;
  const session = Session.parse(JSON.parse(decoder.decode(fromBase64Url(payload))));
  return ports.clock.now() - session.openedAtMs > SESSION_SECONDS_MAX * 1000 ? null : session;
}

async function seal(ports: Ports, payload: string): Promise<string> {
  return toBase64Url((await ports.keyed.mac("upload", payload)).subarray(0, MAC_BYTES));
}
