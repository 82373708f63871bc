/** What happened in a deployment in the last day, summed up of pages of its trail. */

import type * as z from "zod";
import type { FerryClient } from "../../../../shared/client.ts";
import type { AuditEvent } from "../../../../shared/contract/audit.ts";
import { FerryError } from "../../../../shared/errors.ts";

const PAGE = 1000;
/** Of events that are looked at; a deployment so busy needs /metrics. */
const EVENT_PAGES_MAX = 20;
const HOUR_MS = 3_600_000;
export const HOURS = 24;

/** By hour, the oldest first; `from`: when the first begins. `complete`: false when there were more events than were looked at. */
export type Activity = { fromMs: number; pushes: number[]; pulls: number[]; failures: number; complete: boolean };

/** Null for who may not read the audit trail. */
export async function lastDay(client: FerryClient, nowMs: number, signal: AbortSignal): Promise<Activity | null> {
  const fromMs = Math.floor(nowMs / HOUR_MS - (HOURS - 1)) * HOUR_MS;
  const activity: Activity = { fromMs, pushes: Array(HOURS).fill(0), pulls: Array(HOURS).fill(0), failures: 0, complete: true };
  const since = new Date(fromMs).toISOString();
  let cursor: string | null = null;
  for (let page = 0; page < EVENT_PAGES_MAX; page++) {
    const asked: { since: string; limit: number; cursor?: string } = { since, limit: PAGE, ...(cursor === null ? {} : { cursor }) };
    const found = await orNull(client.call("listAudit", { query: asked }, signal));
    if (found === null) return null;
    for (const event of found.events) count(activity, event);
    cursor = found.next;
    if (cursor === null) return activity;
  }
  return { ...activity, complete: false };
}

function count(activity: Activity, { act, at, result }: z.infer<typeof AuditEvent>): void {
  const hour = Math.floor((Date.parse(at) - activity.fromMs) / HOUR_MS);
  if (result !== "OK") activity.failures++;
  const counted =
    result !== "OK" ? null : act === "commit" || act === "commitParts" ? activity.pushes : act === "download" ? activity.pulls : null;
  if (counted !== null && hour >= 0 && hour < HOURS) counted[hour] = (counted[hour] ?? 0) + 1;
}

/** What only administrators may see is nothing for others. */
export async function orNull<T>(asked: Promise<T>): Promise<T | null> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof FerryError && error.status === 403) return null;
    throw error;
  }
}

/** Whether the caller administers the deployment: others need not ask for what they would be refused. */
export function isAdmin({ scopes }: { scopes: readonly { repositories: string; actions: readonly string[] }[] }): boolean {
  return scopes.some(({ repositories, actions }) => (repositories === "*" || repositories === "**") && actions.includes("admin"));
}
