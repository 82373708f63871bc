/** What a request adds to the counters, and when they are written. */
import type { RouteName } from "../../shared/contract/routes.ts";
import { FerryError } from "../../shared/errors.ts";
import { afterAnswer } from "./after-answer.ts";
import type { EdgeContext, Services } from "./edge.ts";

/** A method may be any word that a client likes. */
const METHODS: ReadonlySet<string> = new Set(["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"]);

const PUSH: ReadonlySet<RouteName> = new Set([
  "openUpload",
  "reserve",
  "confirm",
  "sendRecipes",
  "commit",
  "joinSession",
  "sealPart",
  "commitSession",
]);
const PULL: ReadonlySet<RouteName> = new Set(["resolve", "manifest", "readRecipes", "download"]);

/** From here on, what the request asks of stores and the index is counted as of its kind. */
export function measureAs(c: EdgeContext, name: RouteName): void {
  const spent = c.get("services").traffic.spentNow();
  if (spent !== null) spent.purpose = PUSH.has(name) ? "push" : PULL.has(name) ? "pull" : "other";
}

type Answer = { revision?: unknown; newBytes?: unknown; tickets?: unknown; items?: unknown };

/** What a route answered: commits, and what was signed. */
export function measure(c: EdgeContext, name: RouteName, answer: unknown): void {
  const { tally } = c.get("services");
  const { newBytes, tickets, items } = isObject(answer) ? answer : {};
  if (name === "commit" || name === "commitSession") {
    tally.count("ferry_commits_total");
    if (typeof newBytes === "number") tally.count("ferry_committed_bytes_total", {}, newBytes);
  }
  if (name === "reserve" && isObject(tickets) && Array.isArray(tickets.items))
    tally.count("ferry_signed_urls_total", { kind: "put" }, tickets.items.length);
  if (name === "download" && Array.isArray(items)) tally.count("ferry_signed_urls_total", { kind: "get" }, items.length);
}

export function measureProblem(c: EdgeContext, thrown: unknown): void {
  c.get("services")?.tally.count("ferry_problems_total", { code: thrown instanceof FerryError ? thrown.code : "INTERNAL" });
}

/** Every request, when it is answered. `route`: the matched pattern. */
export function measureRequest(c: EdgeContext, route: string, ms: number): void {
  const { tally } = c.get("services");
  tally.count("ferry_requests_total", { method: METHODS.has(c.req.method) ? c.req.method : "other", route, status: String(c.res.status) });
  tally.time("ferry_request_seconds", route, ms);
  if (tally.needsFlush()) afterAnswer(c, "counters", () => tally.flush());
}

/** Attempts of one round of webhooks. */
export function measureRound({ tally }: Services, { sent, delivered, failed }: { sent: number; delivered: number; failed: number }): void {
  tally.count("ferry_webhook_attempts_total", { outcome: "delivered" }, delivered);
  tally.count("ferry_webhook_attempts_total", { outcome: "given up" }, failed);
  tally.count("ferry_webhook_attempts_total", { outcome: "to be tried again" }, sent - delivered - failed);
}

function isObject(value: unknown): value is Answer {
  return typeof value === "object" && value !== null;
}
