/** Cookies of a login and of a session. `__Host-`: of this host alone, over https, for all its paths; no subdomain can set one. */
import { getCookie, setCookie } from "hono/cookie";
import { FerryError } from "../../shared/errors.ts";
import type { Caller } from "../registry/ports.ts";
import type { EdgeContext } from "./edge.ts";

export const SESSION = "__Host-ferry";
/** Pages of ours read it and send it back in the header below. */
export const CSRF = "__Host-ferry-csrf";
export const LOGIN = "__Host-ferry-login";
export const CSRF_HEADER = "x-ferry-csrf";

/** `seconds` 0: it goes. */
export function giveCookie(c: EdgeContext, name: string, value: string, seconds: number): void {
  setCookie(c, name, value, { path: "/", secure: true, httpOnly: name !== CSRF, sameSite: "Lax", maxAge: seconds });
}

/**
 * The caller of a session; null: the request has none. A write needs the header that goes with the session: a browser sends the cookie
 * whoever made it ask. Throws CSRF_INVALID, TOKEN_INVALID.
 */
export async function sessionCaller(c: EdgeContext): Promise<Caller | null> {
  const { login, authenticate } = c.get("services");
  const secret = getCookie(c, SESSION);
  if (login === null || secret === undefined || secret === "") return null;
  const isRead = c.req.method === "GET" || c.req.method === "HEAD";
  if (!isRead && !(await login.isProven(secret, c.req.header(CSRF_HEADER)))) throw new FerryError("CSRF_INVALID");
  const caller = await authenticate(secret, c.get("address"));
  if (caller.kind !== "session") throw new FerryError("TOKEN_INVALID");
  return caller;
}
