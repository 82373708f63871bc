/** The services of a deployment on any ports, and what an isolate shares between requests: callers it has just seen. */
import type { Action } from "../shared/contract/access.ts";
import { sha256 } from "../shared/digest.ts";
import type { LogLine, Services } from "./http/edge.ts";
import type { Caller, Ports } from "./registry/ports.ts";
import { authenticate } from "./registry/tokens.ts";

export const VERSION = "0.1.0";
/** A revoked token may work this long in an isolate that saw it before. */
const TOKEN_CACHE_MS = 30_000;
const TOKEN_CACHE_ENTRIES = 10_000;

const ALL_ACTIONS: Action[] = ["pull", "push", "tag", "delete", "admin"];

/** `ports` may be any: the real ones above, or memory in tests. */
export async function makeServices(ports: Ports, bootstrapToken: string, log: (line: LogLine) => void): Promise<Services> {
  const bootstrap = {
    tokenId: "bootstrap",
    name: "bootstrap",
    scopes: [{ repositories: "*", actions: ALL_ACTIONS }],
    expiresAt: null,
    hash: await sha256(bootstrapToken),
  };
  return { ports, version: VERSION, log, authenticate: cachedAuthentication(ports, (bearer) => authenticate(ports, bearer, bootstrap)) };
}

/** Remembers callers for a short while by the hash of what they brought; refusals are never remembered. */
function cachedAuthentication(ports: Ports, ask: (bearer: string) => Promise<Caller>): (bearer: string) => Promise<Caller> {
  const known = new Map<string, { caller: Caller; untilMs: number }>();
  return async (bearer) => {
    const hash = await sha256(bearer);
    const now = ports.clock.now();
    const hit = known.get(hash);
    if (hit !== undefined && hit.untilMs > now) return hit.caller;
    const caller = await ask(bearer);
    const expiryMs = caller.expiresAt === null ? Number.POSITIVE_INFINITY : Date.parse(caller.expiresAt);
    if (known.size >= TOKEN_CACHE_ENTRIES) known.clear();
    known.set(hash, { caller, untilMs: Math.min(now + TOKEN_CACHE_MS, expiryMs) });
    return caller;
  };
}
