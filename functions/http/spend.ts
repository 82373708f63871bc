/** What a request costs its caller, and the headers that tell what is left (draft-ietf-httpapi-ratelimit-headers). */
import type { RouteName } from "../../shared/contract/routes.ts";
import type { Caller } from "../registry/ports.ts";
import type { Budget, Spending } from "../registry/rate-limits.ts";
import type { EdgeContext } from "./edge.ts";

/** In requests; all others cost one. By what they ask of the index and the stores. */
const COSTS: Partial<Record<RouteName, number>> = {
  commit: 5,
  clone: 5,
  restoreBranch: 5,
  diff: 5,
  sendRecipes: 2,
  readRecipes: 2,
  searchRevisions: 10,
  usage: 10,
  repositoryUsage: 10,
  runRetention: 20,
  purgeRevisions: 10,
  purgeRepository: 10,
  stepCollect: 5,
  startCollect: 20,
  previewPolicy: 20,
  setPolicy: 20,
  runPolicy: 20,
  syncStatus: 5,
  stepSync: 20,
  verifyReplica: 10,
  promote: 20,
  startImport: 5,
  leaseImport: 2,
  finishImport: 5,
  leaseTask: 2,
  finishTask: 5,
  createWebhook: 5,
  testWebhook: 10,
  replayDelivery: 10,
  probeStore: 50,
  setupStore: 10,
};

/** Of a request that its caller has no right to. */
export const REFUSAL_COST = 10;

export function costOf(name: RouteName): number {
  return COSTS[name] ?? 1;
}

/** Throws RATE_LIMITED. `urls`: signed requests that the answer will hold, at most. */
export async function spend(c: EdgeContext, caller: Caller, spending: Spending): Promise<void> {
  const { budgets, refusal } = await c.get("services").rates.spend(caller, spending);
  c.set("budgets", budgets);
  if (refusal !== null) throw refusal;
}

export function tellBudgets(headers: Headers, budgets: readonly Budget[]): void {
  if (budgets.length === 0) return;
  headers.set("ratelimit-policy", budgets.map(({ name, quota }) => `"${name}";q=${quota};w=60`).join(", "));
  headers.set("ratelimit", budgets.map(({ name, left, fullMs }) => `"${name}";r=${left};t=${Math.ceil(fullMs / 1000)}`).join(", "));
}
