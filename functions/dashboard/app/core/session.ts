/** Who uses the console. A token is kept for this tab and never part of an address. */
import { signal } from "@preact/signals";
import type * as z from "zod";
import { FerryClient } from "../../../../shared/client.ts";
import type { WhoAmI } from "../../../../shared/contract/access.ts";
import { ROUTES } from "../../../../shared/contract/routes.ts";
import { FerryError, problemOf } from "../../../../shared/errors.ts";
import { OperationId } from "../../../../shared/names.ts";
import { keepToken, keptToken } from "./stored.ts";

export type Me = z.infer<typeof WhoAmI>;
export type Session = { is: "asking" } | { is: "out"; problem: unknown } | { is: "in"; client: FerryClient; me: Me };

export const session = signal<Session>({ is: "asking" });

/** Of a log-in by the identity provider: its secret is in a cookie that no script sees, and this goes with it in the header of writes. */
const CSRF_COOKIE = /(?:^|; )__Host-ferry-csrf=([^;]+)/;
const CSRF_HEADER = "x-ferry-csrf";

/** Takes up the token of this tab, or the session of this browser, when there is one. */
export async function resume(): Promise<void> {
  const token = keptToken();
  if (token === null && csrf() === null) session.value = { is: "out", problem: null };
  else await logIn(token);
}

/** @param token null: the session of this browser. Never throws: a refusal is told in `session`. */
export async function logIn(token: string | null): Promise<void> {
  const client = clientFor(token);
  try {
    const me = await client.call("whoAmI", {});
    if (token !== null) keepToken(token);
    session.value = { is: "in", client, me };
  } catch (problem) {
    if (isEnded(problem)) keepToken(null);
    // Of a session that is simply over nobody needs to be told.
    session.value = { is: "out", problem: token === null && isEnded(problem) ? null : problem };
  }
}

/** Somebody is out when the deployment has forgotten the session, not before: who leaves a shared machine must be able to rely on it. */
export function logOut(problem: unknown = null): void {
  const now = session.peek();
  keepToken(null);
  if (now.is === "in" && now.me.kind === "session" && problem === null) void endSession();
  else session.value = { is: "out", problem };
}

async function endSession(): Promise<void> {
  session.value = { is: "asking" };
  try {
    const answer = await fetch("/auth/logout", { method: "POST", headers: csrfHeader(), keepalive: true });
    session.value = {
      is: "out",
      problem: answer.ok ? null : new FerryError("ENDPOINT_UNREACHABLE", { endpoint: location.origin, problem: `status ${answer.status}` }),
    };
  } catch (cause) {
    session.value = {
      is: "out",
      problem: new FerryError("ENDPOINT_UNREACHABLE", { endpoint: location.origin, problem: problemOf(cause) }),
    };
  }
}

function csrf(): string | null {
  return CSRF_COOKIE.exec(document.cookie)?.[1] ?? null;
}

function csrfHeader(): Record<string, string> {
  const value = csrf();
  return value === null ? {} : { [CSRF_HEADER]: decodeURIComponent(value) };
}

/** Whether people can log in by the deployment's identity provider. */
export function hasProvider(): boolean {
  return document.querySelector('meta[name="login"]') !== null;
}

/** A token that was revoked or has ended sends its user back to the log-in. */
export function isEnded(problem: unknown): boolean {
  return problem instanceof FerryError && (problem.code === "TOKEN_INVALID" || problem.code === "TOKEN_MISSING");
}

/** The feed of events as a stream, from the one after `after` on; null when what answers sends no streams. Throws what the API answers. */
export async function streamEvents(after: string | null, signal: AbortSignal): Promise<ReadableStream<Uint8Array> | null> {
  const token = keptToken();
  const headers = { accept: "text/event-stream", ...(token === null ? {} : { authorization: `Bearer ${token}` }) };
  const query = after === null ? "" : `?after=${encodeURIComponent(after)}`;
  const answer = await fetch(`${ROUTES.listEvents.path}${query}`, { headers, signal, redirect: "error" });
  if (answer.status === 401) throw new FerryError("TOKEN_INVALID");
  if (answer.status === 403) throw new FerryError("PERMISSION_DENIED", { action: "pull", what: "the feed of events" });
  if (!answer.ok) throw new FerryError("ENDPOINT_UNREACHABLE", { endpoint: location.origin, problem: `status ${answer.status}` });
  return answer.headers.get("content-type")?.startsWith("text/event-stream") ? answer.body : null;
}

/** @param token null: the browser sends the session's cookie by itself. */
export function clientFor(token: string | null): FerryClient {
  return new FerryClient({
    endpoint: location.origin,
    ...(token === null ? {} : { token }),
    fetch: (url, init) => fetch(url, token === null ? { ...init, headers: { ...init.headers, ...csrfHeader() } } : init),
    sleep,
    random: Math.random,
    attempts: 3,
  });
}

export function operationId(): OperationId {
  return OperationId.parse(crypto.getRandomValues(new Uint8Array(16)).reduce((hex, byte) => hex + byte.toString(16).padStart(2, "0"), ""));
}

export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const timer = setTimeout(done, ms);
    const stop = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    signal?.addEventListener("abort", stop, { once: true });
    function done() {
      signal?.removeEventListener("abort", stop);
      resolve();
    }
  });
}
