/** What a request carries through the app. */
import type { Context } from "hono";
import type { RepositorySummary } from "../../shared/contract/repositories.ts";
import type { AuditLog } from "../registry/audit.ts";
import type { Tally } from "../registry/counters.ts";
import type { FailureLimit } from "../registry/failure-limit.ts";
import type { IdentityExchange } from "../registry/identity.ts";
import type { PeopleLogin } from "../registry/people-login.ts";
import type { Caller, Ports } from "../registry/ports.ts";
import type { Budget, RateLimits } from "../registry/rate-limits.ts";
import type { Traffic } from "../registry/traffic.ts";
import type { HookWaker } from "./tell-hooks.ts";

/** All that a deployment is made of, built from its settings by services.ts. */
export type Services = {
  ports: Ports;
  /** Throws TOKEN_INVALID, ADDRESS_DENIED, RATE_LIMITED. */
  authenticate(bearer: string, address: string | null): Promise<Caller>;
  /** The same for a session's secret, which is good in its cookie alone: neither takes what is the other's. */
  authenticateSession(secret: string, address: string | null): Promise<Caller>;
  identity: IdentityExchange;
  /** Null: people can't log in here. */
  login: PeopleLogin | null;
  rates: RateLimits;
  failures: FailureLimit;
  hooks: HookWaker;
  tally: Tally;
  traffic: Traffic;
  /** Of whoever reads /metrics; null: only administrators do. */
  metricsToken: string | null;
  audit: AuditLog;
  sleep(ms: number): Promise<void>;
  version: string;
  /** The name of the index among those that the same Redis holds. */
  generation: string;
  /** One structured line; never a URL's query, a token or a body. */
  log(line: LogLine): void;
};

export type LogLine = Record<string, string | number | boolean | null>;

export type Edge = {
  Variables: {
    services: Services;
    requestId: string;
    /** Of the client, as far as the deployment can be sure of it. */
    address: string | null;
    caller: Caller;
    budgets: readonly Budget[];
    repository: RepositorySummary;
  };
};

export type EdgeContext = Context<Edge>;
