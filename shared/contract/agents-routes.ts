/** Rows of the route table: node agents, tickets for their doors, warm-ups. */
import * as z from "zod";
import { Ref } from "../names.ts";
import { AgentList, AgentQuery, ChunkTicketRequest, ChunkTickets, Heartbeat, HeartbeatRequest } from "./agents.ts";
import { REPOSITORY_PATH } from "./repositories.ts";
import type { RouteSpec } from "./route-spec.ts";
import { Warmth, WarmthQuery, Warmup, WarmupId, WarmupList, WarmupRequest, WarmupStarted } from "./warm.ts";

const warmup = z.object({ warmup: WarmupId });

export const AGENT_ROUTES = {
  listAgents: {
    method: "GET",
    path: "/api/v1/agents",
    summary: "Agents of a group that are there",
    needs: "pull",
    deployment: true,
    status: 200,
    query: AgentQuery,
    answer: AgentList,
  },
  heartbeat: {
    method: "POST",
    path: "/api/v1/agents/heartbeat",
    summary: "An agent joins its group, or stays: the ring, its secrets and what to warm come back",
    needs: "pull",
    deployment: true,
    status: 200,
    body: HeartbeatRequest,
    answer: Heartbeat,
  },
  chunkTickets: {
    method: "POST",
    path: `${REPOSITORY_PATH}/revisions/:ref/tickets`,
    summary: "Tickets for chunks of a revision at the agents of a group",
    needs: "pull",
    signs: true,
    status: 200,
    params: z.object({ ref: Ref }),
    body: ChunkTicketRequest,
    answer: ChunkTickets,
  },

  warmth: {
    method: "GET",
    path: `${REPOSITORY_PATH}/warmth`,
    summary: "How many of the nodes that are to have a revision have it",
    needs: "pull",
    status: 200,
    query: WarmthQuery,
    answer: Warmth,
  },
  listWarmups: {
    method: "GET",
    path: `${REPOSITORY_PATH}/warmups`,
    summary: "Warm-ups that are under way or held, and schedules",
    needs: "pull",
    status: 200,
    answer: WarmupList,
  },
  startWarmup: {
    method: "POST",
    path: `${REPOSITORY_PATH}/warmups`,
    summary: "Bring a revision to nodes, now or by a schedule",
    needs: "tag",
    status: 201,
    body: WarmupRequest,
    answer: WarmupStarted,
  },
  readWarmup: {
    method: "GET",
    path: `${REPOSITORY_PATH}/warmups/:warmup`,
    summary: "A warm-up, node by node",
    needs: "pull",
    status: 200,
    params: warmup,
    answer: Warmup,
  },
  cancelWarmup: {
    method: "DELETE",
    path: `${REPOSITORY_PATH}/warmups/:warmup`,
    summary: "End a warm-up or a schedule: nothing more is fetched, and what was may go",
    needs: "tag",
    status: 204,
    params: warmup,
    answer: z.null(),
  },
} as const satisfies Record<string, RouteSpec>;
