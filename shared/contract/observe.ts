/** What a deployment counts of itself, and which nodes have what: routes that the console, `ferry cost` and `ferry warm map` ask. */
import * as z from "zod";
import { RepositoryName, RevisionId } from "../names.ts";
import { AgentQuery } from "./agents.ts";
import type { RouteSpec } from "./route-spec.ts";
import { WarmupId } from "./warm.ts";

/** Of all isolates since `since`, named and labelled as in /metrics. Null: nothing was counted yet. */
export const CounterList = z.object({ since: z.string().nullable(), counts: z.record(z.string(), z.number()) });
export type CounterList = z.infer<typeof CounterList>;

/**
 * `cells`: a character for each of `nodes`, in their order: `.` is not meant, `-` told nothing yet or is gone, `0` to `9` has so many tenths,
 * `r` has all of it, checked, `f` failed.
 */
export const WarmRow = z.object({
  warmup: WarmupId,
  repository: RepositoryName,
  ref: z.string(),
  revision: RevisionId,
  state: z.string(),
  nodesReady: z.int(),
  nodesTarget: z.int(),
  startedAt: z.string(),
  /** Of the node that needs longest, at the rate it tells; null when nothing moves. */
  etaSeconds: z.int().nullable(),
  cells: z.string(),
});
export type WarmRow = z.infer<typeof WarmRow>;
/** `groups`: all that agents or warm-ups were told of in, lately; this one need not be among them. */
export const WarmMap = z.object({ groups: z.array(z.string()), nodes: z.array(z.string()), warmups: z.array(WarmRow) });
export type WarmMap = z.infer<typeof WarmMap>;

export const OBSERVE_ROUTES = {
  readCounters: {
    method: "GET",
    path: "/api/v1/counters",
    summary: "What was counted: requests, operations of stores, commands of the index",
    needs: "admin",
    deployment: true,
    status: 200,
    answer: CounterList,
  },
  warmMap: {
    method: "GET",
    path: "/api/v1/agents/warmth",
    summary: "Warm-ups of a group, node by node",
    needs: "pull",
    deployment: true,
    status: 200,
    query: AgentQuery,
    answer: WarmMap,
  },
} as const satisfies Record<string, RouteSpec>;
