/** Cookies of a login and of a session. `__Host-`: of this host alone, over https, for all its paths; no subdomain can set one. */
import { FerryError } from "../../shared/errors.ts";
import type { Caller } from "../registry/ports.ts";
import type { EdgeContext } from "./edge.ts";

export const SESSION = "__Host-ferry";
/** Pages of ours read it and send it back in the header below. */
export const CSRF = "__Host-ferry-csrf";
export const LOGIN = "__Host-ferry-login";
export const CSRF_HEADER = "x-ferry-csrf";

/** Values are base64url with dots: nothing to encode. `seconds` 0: it goes. */
export function giveCookie(c: EdgeContext, name: string, value: string, seconds: number): void {
  const hidden = name === CSRF ? "" : "; HttpOnly";
  c.header("set-cookie", `${name}=${value}; Max-Age=${seconds}; Path=/; Secure; SameSite=Lax${hidden}`, { append: true });
}

/** Undefined when there is none, or two: of those a browser may not say which is ours. */
export function cookieOf(c: EdgeContext, name: string): string | undefined {
  const pairs = (c.req.header("cookie") ?? "").split(/; */).filter((pair) => pair.startsWith(`${name}=`));
  return pairs.length === 1 ? pairs[0]?.slice(name.length + 1) : undefined;
}

/**
 * The caller of a session; null: the request has none. A write needs the header that goes with the session: a browser sends the cookie
 * whoever made it ask. Throws CSRF_INVALID, TOKEN_INVALID.
 */
export async function sessionCaller(c: EdgeContext): Promise<Caller | null> {
  const { login, authenticateSession } = c.get("services");
  const secret = cookieOf(c, SESSION);
  if (login === null || secret === undefined || secret === "") return null;
  const isRead = c.req.method === "GET" || c.req.method === "HEAD";
  if (!isRead && !(await login.isProven(secret, c.req.header(CSRF_HEADER)))) throw new FerryError("CSRF_INVALID");
  return authenticateSession(secret, c.get("address"));
}
