/** Agents of a group: how they join its ring and stay in it, what they are told, and tickets for their doors. */
import * as z from "zod";
import { Digest } from "../digest.ts";
import { RingSecret } from "../ring-ticket.ts";
import { AgentId, GroupName } from "./agents-names.ts";
import { WarmReport, WarmTask } from "./warm.ts";

export const CHUNK_TICKETS_MAX = 500;
export const WARM_REPORTS_MAX = 64;

const zoneRule = "at most 64 letters, digits, '.', '_', '/' and '-'";
const AgentLabels = z.record(z.string().max(128), z.string().max(128)).refine((labels) => Object.keys(labels).length <= 32, "at most 32");

/** `address`: where peers reach it, as host:port; empty: it only takes. `weight`: its share of chunks against the others'. */
export const AgentDescription = z.strictObject({
  id: AgentId,
  address: z
    .string()
    .max(260)
    .regex(/^$|^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+):\d{1,5}(?![\s\S])/, "host:port, or nothing"),
  zone: z
    .string()
    .max(64)
    .regex(/^[A-Za-z0-9._/-]*(?![\s\S])/, zoneRule),
  weight: z.number().positive().max(1000),
  labels: AgentLabels,
  version: z.string().max(64),
  chunks: z.int().nonnegative(),
  bytes: z.int().nonnegative(),
  maxBytes: z.int().nonnegative(),
});
export type AgentDescription = z.infer<typeof AgentDescription>;

export const RingPeer = AgentDescription.pick({ id: true, address: true, zone: true, weight: true });
export type RingPeer = z.infer<typeof RingPeer>;

/** `leaving`: the last one of this agent. */
export const HeartbeatRequest = z.strictObject({
  group: GroupName,
  agent: AgentDescription,
  leaving: z.boolean().default(false),
  reports: z.array(WarmReport).max(WARM_REPORTS_MAX).default([]),
});
export type HeartbeatRequest = z.infer<typeof HeartbeatRequest>;

/** `secrets`: of yesterday, today and tomorrow. `tasks`: all that this agent is to do; what is no longer among them ends. */
export const Heartbeat = z.object({
  intervalSeconds: z.int(),
  secrets: z.array(RingSecret),
  peers: z.array(RingPeer),
  tasks: z.array(WarmTask),
});
export type Heartbeat = z.infer<typeof Heartbeat>;

export const AgentQuery = z.strictObject({ group: GroupName.default("default") });
export const AgentList = z.object({ agents: z.array(AgentDescription.extend({ seenAt: z.string() })) });
export type AgentList = z.infer<typeof AgentList>;

export const ChunkTicketRequest = z.strictObject({
  chunks: z.array(Digest).min(1).max(CHUNK_TICKETS_MAX),
  group: GroupName.default("default"),
});
export const ChunkTickets = z.object({
  expiresInSeconds: z.int(),
  items: z.array(z.object({ sha256: Digest, size: z.int(), ticket: z.string() })),
});
export type ChunkTickets = z.infer<typeof ChunkTickets>;
