/** Login and logout of people: answers that browsers follow, not JSON. Without a provider in the settings there is no login. */
import type { Hono } from "hono";
import { FerryError } from "../../shared/errors.ts";
import type { Edge, EdgeContext } from "../http/edge.ts";
import { CSRF, cookieOf, giveCookie, LOGIN, SESSION, sessionCaller } from "../http/session-cookie.ts";
import { LOGIN_SECONDS, type PeopleLogin } from "../registry/people-login.ts";
import type { Caller } from "../registry/ports.ts";

export function mountAuth(app: Hono<Edge>): void {
  app.get("/auth/login", async (c) => {
    const { url, cookie } = await loginOf(c).begin(c.req.query("return"));
    giveCookie(c, LOGIN, cookie, LOGIN_SECONDS);
    return c.redirect(url, 302);
  });
  app.get("/auth/callback", async (c) => {
    const { code, state } = c.req.query();
    const cookie = cookieOf(c, LOGIN);
    giveCookie(c, LOGIN, "", 0);
    try {
      const { secret, csrf, seconds, caller, place } = await loginOf(c).finish({ code, state, cookie }, c.get("address"));
      await record(c, "login", caller, "OK");
      giveCookie(c, SESSION, secret, seconds);
      giveCookie(c, CSRF, csrf, seconds);
      return c.redirect(place, 302);
    } catch (error) {
      if (error instanceof FerryError) await record(c, "login", null, error.code);
      throw error;
    }
  });
  app.post("/auth/logout", async (c) => {
    const caller = await sessionCaller(c);
    const secret = cookieOf(c, SESSION);
    if (caller !== null && secret !== undefined) await loginOf(c).end(secret);
    await record(c, "logout", caller, "OK");
    for (const name of [SESSION, CSRF]) giveCookie(c, name, "", 0);
    return c.body(null, 204);
  });
}

function loginOf(c: EdgeContext): PeopleLogin {
  const { login } = c.get("services");
  if (login === null) throw new FerryError("ROUTE_UNKNOWN", { method: c.req.method, path: c.req.path.slice(0, 200) });
  return login;
}

/** Of what comes in floods one event a minute is enough; a login that lets somebody in is written before it is answered. */
async function record(c: EdgeContext, act: string, caller: Caller | null, result: string): Promise<void> {
  const { audit } = c.get("services");
  if (result !== "OK" && !audit.isNews(`${c.get("address")} ${act} ${result}`)) return;
  audit.record({
    requestId: c.get("requestId"),
    address: c.get("address"),
    caller: caller === null ? null : { id: caller.tokenId, name: caller.name },
    act,
    repository: null,
    about: {},
    result,
  });
  if (result === "OK" && caller !== null) await audit.flush();
}
