/** Our refusals in the Hub's words: clients choose the class of their exception by X-Error-Code, and show X-Error-Message. */
import { type ErrorCode, FerryError } from "../../../shared/errors.ts";

/** `status`: where the Hub's differs from ours. */
type HubWord = { code?: string; status?: number; message?: string };

const WORDS: Partial<Record<ErrorCode, HubWord>> = {
  REPOSITORY_MOVED: { status: 307 },
  REPOSITORY_UNKNOWN: { code: "RepoNotFound", status: 404 },
  TOKEN_MISSING: { code: "RepoNotFound", status: 401, message: "Repository not found, or a token is needed." },
  TOKEN_INVALID: { message: "Invalid credentials in Authorization header" },
  REF_UNKNOWN: { code: "RevisionNotFound", status: 404 },
  REVISION_UNKNOWN: { code: "RevisionNotFound", status: 404 },
  REVISION_DELETED: { code: "RevisionNotFound", status: 404 },
  BRANCH_UNKNOWN: { code: "RevisionNotFound", status: 404 },
  TAG_UNKNOWN: { code: "RevisionNotFound", status: 404 },
  FILE_UNKNOWN: { code: "EntryNotFound", status: 404 },
  REPOSITORY_BLOCKED: { status: 403, message: "Access to this resource is disabled." },
  BRANCH_MOVED: { status: 412 },
  BRANCH_NOT_DELETABLE: { status: 403 },
};

export function asFerryError(thrown: unknown): FerryError {
  return thrown instanceof FerryError ? thrown : new FerryError("INTERNAL", {}, { cause: thrown });
}

/** `headers`: more of them, such as X-Repo-Commit, by which clients remember that a file is not there. */
export function hubProblem(error: FerryError, method: string, headers: Record<string, string> = {}): Response {
  const { code, status = error.status, message = error.message } = WORDS[error.code] ?? {};
  const all = new Headers({ "content-type": "application/json", "cache-control": "no-store", ...headers });
  if (code !== undefined) all.set("x-error-code", code);
  // Header values are Latin-1; the body has the full text.
  all.set("x-error-message", message.replace(/[^\x20-\x7e]/g, "?").slice(0, 500));
  if (status === 401) all.set("www-authenticate", 'Bearer realm="modelferry"');
  if (error.retryable) all.set("retry-after", String(error.details["retryAfterSeconds"] ?? 1));
  const body = JSON.stringify({ error: message, code: error.code, next: error.next });
  return new Response(method === "HEAD" ? null : body, { status, headers: all });
}
