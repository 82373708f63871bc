/** The one place that turns failures into answers: RFC 9457 problem details with a code of the closed table. */
import { HTTPException } from "hono/http-exception";
import type { Problem } from "../../shared/contract/routes.ts";
import { ERRORS, type ErrorDetails, FerryError } from "../../shared/errors.ts";
import type { EdgeContext } from "./edge.ts";
import { measureProblem } from "./measure.ts";

export function answerProblem(c: EdgeContext, thrown: unknown): Response {
  const error = asFerryError(thrown);
  measureProblem(c, error);
  // None yet when the deployment's own settings are what failed.
  const requestId = c.get("requestId") ?? crypto.randomUUID();
  const problem: Problem = {
    type: `urn:modelferry:error:${error.code}`,
    title: ERRORS[error.code].message.replace(/\{\w+\}/g, "…"),
    status: error.status,
    code: error.code,
    detail: error.message,
    next: error.next,
    requestId,
    details: withoutControl(error.details),
  };
  if (error.status >= 500) logFailure(c, error, requestId);
  return new Response(c.req.method === "HEAD" ? null : JSON.stringify(problem), {
    status: error.status,
    headers: headersOf(error, requestId),
  });
}

/** Unknown failures become INTERNAL. */
function asFerryError(thrown: unknown): FerryError {
  if (thrown instanceof FerryError) return thrown;
  if (thrown instanceof HTTPException && thrown.status < 500)
    return new FerryError("REQUEST_INVALID", { problem: "it can't be read" }, { cause: thrown });
  return new FerryError("INTERNAL", {}, { cause: thrown });
}

function headersOf(error: FerryError, requestId: string): Headers {
  const headers = new Headers({
    "content-type": "application/problem+json",
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "x-request-id": requestId,
    "x-error-code": error.code,
    // Header values are Latin-1; the body has the full text.
    "x-error-message": error.message.replace(/[^\x20-\x7e]/g, "?").slice(0, 500),
  });
  if (error.status === 401) headers.set("www-authenticate", 'Bearer realm="modelferry"');
  if (Array.isArray(error.details["allow"])) headers.set("allow", error.details["allow"].join(", "));
  if (error.retryable) headers.set("retry-after", String(error.details["retryAfterSeconds"] ?? 1));
  return headers;
}

function withoutControl({ retryAfterSeconds: _, ...details }: ErrorDetails): ErrorDetails {
  return details;
}

/** Of the cause its class and its place: what it says may hold a command with its values, an address, a password. */
function logFailure(c: EdgeContext, error: FerryError, requestId: string): void {
  const cause = error.cause instanceof Error ? error.cause : null;
  c.get("services")?.log({
    event: "request.failed",
    requestId,
    code: error.code,
    problem: error.message,
    cause: cause?.name ?? null,
    at: /^\s+at .{1,200}/m.exec(cause?.stack?.slice(cause.message.length) ?? "")?.[0].trim() ?? null,
  });
}
