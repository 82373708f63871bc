/** The services of a deployment on any ports, and what an isolate shares between requests. */
import type { Action } from "../shared/contract/access.ts";
import { sha256 } from "../shared/digest.ts";
import { FerryError } from "../shared/errors.ts";
import type { LogLine, Services } from "./http/edge.ts";
import { HookWaker } from "./http/tell-hooks.ts";
import { AuditLog } from "./registry/audit.ts";
import { Authentication, type Bootstrap } from "./registry/authenticate.ts";
import { Tally } from "./registry/counters.ts";
import { FailureLimit } from "./registry/failure-limit.ts";
import { IdentityExchange } from "./registry/identity.ts";
import type { Redeemer } from "./registry/login-provider.ts";
import { PeopleLogin } from "./registry/people-login.ts";
import type { Caller, Ports } from "./registry/ports.ts";
import { RateLimits } from "./registry/rate-limits.ts";
import { NO_SCOPE, Traffic } from "./registry/traffic.ts";

export const VERSION = "0.1.0";

const ALL_ACTIONS: Action[] = ["pull", "push", "tag", "delete", "admin"];

type Beside = {
  metricsToken?: string | null;
  /** Left out: as when no setting says one. */
  generation?: string;
  login?: Redeemer | null;
  /** What stands before the ports' stores and index; left out: nobody counts. */
  traffic?: Traffic;
  log: (line: LogLine) => void;
  sleep: (ms: number) => Promise<void>;
};

/** `ports` may be any: the real ones of connect.ts, or memory in tests. */
export async function makeServices(
  ports: Ports,
  bootstrapToken: string,
  { log, sleep, login = null, metricsToken = null, generation = "1", traffic = new Traffic(ports.clock, NO_SCOPE) }: Beside,
): Promise<Services> {
  const bootstrap: Bootstrap = {
    tokenId: "bootstrap",
    name: "bootstrap",
    kind: "bootstrap",
    scopes: [{ repositories: "*", actions: ALL_ACTIONS }],
    networks: [],
    expiresAt: null,
    hash: await sha256(bootstrapToken),
  };
  const failures = new FailureLimit(ports);
  const rates = new RateLimits(ports);
  const authentication = new Authentication(ports, bootstrap, failures);
  return {
    ports,
    version: VERSION,
    log,
    sleep,
    identity: new IdentityExchange(ports, failures, rates),
    login: login === null ? null : new PeopleLogin(ports, login, { failures, rates }),
    rates,
    failures,
    hooks: new HookWaker(),
    tally: new Tally(ports, traffic),
    traffic,
    metricsToken,
    generation,
    audit: new AuditLog(ports),
    authenticate: async (bearer, address) => ofKind(await authentication.callerOf(bearer, address), false),
    authenticateSession: async (secret, address) => ofKind(await authentication.callerOf(secret, address), true),
  };
}

function ofKind(caller: Caller, isSession: boolean): Caller {
  if ((caller.kind === "session") === isSession) return caller;
  throw new FerryError("TOKEN_INVALID");
}
