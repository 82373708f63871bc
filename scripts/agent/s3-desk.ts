/**
 * What S3 has no words for, for `ferry s3-credentials` and `ferry commit`; by a token, as the API takes it:
 *
 *   POST   /-/credentials                         credentials made of the token
 *   GET    /-/pending                             what is pending on branches that the token may push to
 *   POST   /-/pending/<namespace>/<name>?branch=  commits it; the body is the message
 *   DELETE /-/pending/<namespace>/<name>?branch=  throws it away
 *
 * No namespace begins with '-', so no bucket is hidden by this.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { S3Refusal } from "../../functions/doors/s3/refusals.ts";
import { FerryError, problemOf } from "../../shared/errors.ts";
import { RefName, RepositoryName } from "../../shared/names.ts";
import { isToken } from "../../shared/token.ts";
import { takeText } from "./s3-body.ts";
import { type S3Parts, send } from "./s3-call.ts";
import type { S3View } from "./s3-view.ts";
import { commitBranch, pendingOf } from "./s3-write.ts";

export const DESK_PATH = "/-/";

export type DeskCall = {
  request: IncomingMessage;
  response: ServerResponse;
  method: string;
  url: URL;
  parts: S3Parts;
  viewOf: (token: string) => S3View;
};

export async function atDesk(call: DeskCall): Promise<void> {
  try {
    const token = tokenOf(call.request);
    const view = call.viewOf(token);
    // Also tells whether the token is good.
    await view.scopes();
    json(call, 200, await act(call, token, view));
  } catch (error) {
    const told = toldOf(error);
    json(call, told.status, { code: told.code, detail: told.message, details: told.details, next: told.next });
  }
}

function toldOf(error: unknown): FerryError {
  if (error instanceof FerryError) return error;
  if (error instanceof S3Refusal && error.code === "AccessDenied")
    return new FerryError("PERMISSION_DENIED", { action: "push", repository: "there" });
  if (error instanceof S3Refusal) return new FerryError("REQUEST_INVALID", { problem: error.message });
  return new FerryError("INTERNAL", { problem: problemOf(error) });
}

function tokenOf({ headers }: IncomingMessage): string {
  const [, token = ""] = /^Bearer (\S+)$/i.exec(headers.authorization ?? "") ?? [];
  if (token === "") throw new FerryError("TOKEN_MISSING");
  if (!isToken(token)) throw new FerryError("TOKEN_INVALID");
  return token;
}

async function act({ method, url, request, response, parts }: DeskCall, token: string, view: S3View): Promise<object> {
  const path = url.pathname.slice(DESK_PATH.length);
  if (path === "credentials" && method === "POST") return parts.keys.make(token);
  if (path === "pending" && method === "GET") return { pending: await listPending(parts, view) };
  const repository = RepositoryName.safeParse(/^pending\/(.+)$/.exec(path)?.[1]);
  const branch = RefName.safeParse(url.searchParams.get("branch"));
  if (!repository.success || !branch.success) throw new FerryError("ROUTE_UNKNOWN", { method, path: url.pathname });
  const at = { repository: repository.data, branch: branch.data };
  await view.demandPush(at.repository);
  if (method === "DELETE") return discard(parts, at);
  if (method !== "POST") throw new FerryError("METHOD_NOT_ALLOWED", { method, path: url.pathname });
  const message = await takeText({ request, response, payload: { kind: "unsigned" } });
  const { revision, isNew } = await commitBranch({ parts, view }, { ...at, message });
  return { ...at, revision: revision.revision, isNew };
}

async function listPending(parts: S3Parts, view: S3View): Promise<object[]> {
  const mine = [];
  for (const branch of parts.pending.list()) if (await view.may("push", branch.repository)) mine.push(pendingOf(branch));
  return mine;
}

async function discard(parts: S3Parts, { repository, branch }: { repository: RepositoryName; branch: RefName }): Promise<object> {
  const pending = parts.pending.find(repository, branch);
  const discarded = pending?.changes.size ?? 0;
  await pending?.clear();
  return { repository, branch, discarded };
}

function json(call: DeskCall, status: number, body: object): void {
  send(call, status, `${JSON.stringify(body)}\n`, "application/json");
}
