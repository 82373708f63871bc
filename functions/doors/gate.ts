/**
 * How a request comes through a door: who asks is found out, pays, and is recorded, as for every route of the API. A door's handlers see a
 * catalog of that caller's, which looks at every call whether he may.
 */
import type { Context } from "hono";
import { FerryError } from "../../shared/errors.ts";
import { afterAnswer } from "../http/after-answer.ts";
import type { EdgeContext, Services } from "../http/edge.ts";
import { REFUSAL_COST, spend } from "../http/spend.ts";
import { Refused } from "../registry/authenticate.ts";
import type { Caller } from "../registry/ports.ts";

/** `act`: its name in the audit trail. `recorded`: when, if it succeeds. `cost`: in requests; default 1. */
export type Visit = { act: string; recorded: "never" | "later" | "before"; cost?: number };
export type Told = { repository: string | null; about: Record<string, string> };

/** `tell`: what the audit trail says of it. `refuse`: the door's own form of an error. */
export type Gate<C> = (c: Context, visit: Visit, handle: (catalog: C, told: Told) => Promise<Response>) => Promise<Response>;

type Open<C> = (services: Services, caller: Caller, c: EdgeContext) => C;

const REFUSED_RIGHTS: readonly string[] = ["PERMISSION_DENIED", "SCOPE_EXCEEDED", "ADDRESS_DENIED", "REPOSITORY_BLOCKED"];
const REFUSED_CALLERS: readonly string[] = ["TOKEN_INVALID", "RATE_LIMITED"];
/** How long events wait for others. */
const FLUSH_MS = 5_000;

/** The registry's gate. Throws what the handler throws. */
export function registryGate<C>(open: Open<C>): Gate<C> {
  return async (context, visit, handle) => {
    const c = context as EdgeContext;
    const told: Told = { repository: null, about: {} };
    const seen: { caller?: Caller } = {};
    try {
      const services = c.get("services");
      const caller = await services.authenticate(bearerOf(c), c.get("address"));
      seen.caller = caller;
      c.set("caller", caller);
      await spend(c, caller, { requests: visit.cost ?? 1, urls: 0 });
      const answer = await handle(open(services, caller, c), told);
      await record(c, visit, { ...seen, told, error: null });
      return answer;
    } catch (error) {
      await record(c, visit, { ...seen, told, error });
      throw error;
    }
  };
}

function bearerOf(c: EdgeContext): string {
  const header = c.req.header("authorization");
  if (header === undefined || header === "") throw new FerryError("TOKEN_MISSING");
  const [scheme = "", bearer = "", ...rest] = header.split(" ");
  if (scheme.toLowerCase() !== "bearer" || rest.length > 0) throw new FerryError("TOKEN_INVALID");
  return bearer;
}

async function record(c: EdgeContext, visit: Visit, seen: { caller?: Caller; told: Told; error: unknown }): Promise<void> {
  const { error, told } = seen;
  const result = error === null ? "OK" : error instanceof FerryError ? error.code : "INTERNAL";
  const refused = error instanceof FerryError && error.cause instanceof Refused ? error.cause : null;
  const caller = seen.caller ?? refused?.caller ?? undefined;
  const when = whenOf(visit, result, { isKnown: seen.caller !== undefined, isLookedUp: refused !== null });
  if (when === "never") return;
  const { audit: trail, rates } = c.get("services");
  if (when === "before" && error !== null && caller !== undefined) await rates.spend(caller, { requests: REFUSAL_COST, urls: 0 });
  if (result === "RATE_LIMITED" && !trail.isNews(`${caller?.tokenId || c.get("address")} ${result}`)) return;
  trail.record({
    requestId: c.get("requestId"),
    address: c.get("address"),
    caller: caller === undefined ? null : { id: caller.tokenId, name: caller.name },
    act: visit.act,
    ...told,
    result,
  });
  if (when === "before") await trail.flush();
  else if (trail.needsFlush()) afterAnswer(c, "audit", (services) => services.sleep(FLUSH_MS).then(() => services.audit.flush()));
}

function whenOf({ recorded }: Visit, result: string, who: { isKnown: boolean; isLookedUp: boolean }): Visit["recorded"] {
  if (REFUSED_RIGHTS.includes(result)) return "before";
  if (result === "RATE_LIMITED" || (REFUSED_CALLERS.includes(result) && who.isLookedUp)) return "later";
  return result === "OK" || who.isKnown ? recorded : "never";
}
