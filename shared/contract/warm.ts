/** Warm-ups: the chunks of a revision are brought to nodes before somebody needs them. */
import * as z from "zod";
import { CronText, TimeZone } from "../cron.ts";
import { OperationId, Ref, RepositoryName, RevisionId, StoreId } from "../names.ts";
import { AgentId, GroupName } from "./agents-names.ts";

const HOLD_SECONDS = 86_400;
const HOLD_SECONDS_MAX = 30 * 86_400;

/** Which agents of the group. By number: those that a hash of the warm-up ranks first, so that one that dies is replaced by the next. */
export const NodeChoice = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("all") }),
  z.strictObject({ kind: z.literal("count"), count: z.int().min(1).max(100_000) }),
  z.strictObject({ kind: z.literal("percent"), percent: z.number().gt(0).max(100) }),
  z.strictObject({ kind: z.literal("list"), ids: z.array(AgentId).min(1).max(1000) }),
  z.strictObject({ kind: z.literal("labels"), labels: z.record(z.string().max(128), z.string().max(128)) }),
]);
export type NodeChoice = z.infer<typeof NodeChoice>;

/** `each`: every node gets all of it. `ring`: each chunk is on `replicas` nodes of the group. */
export const WarmMode = z.enum(["each", "ring"]);
/** `check`: nothing is fetched, only what is there is read and hashed. `evict`: it may go. */
export const WarmAction = z.enum(["warm", "check", "evict"]);

/**
 * `cron`: ready at its times, begun `leadSeconds` before. `follow`: whenever the ref names another revision; with `store`, not before that
 * store has all of it.
 */
export const WarmTrigger = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("cron"),
    cron: CronText,
    zone: TimeZone.default("UTC"),
    leadSeconds: z.int().min(60).max(86_400).default(900),
  }),
  z.strictObject({ kind: z.literal("follow"), store: StoreId.optional() }),
]);
export type WarmTrigger = z.infer<typeof WarmTrigger>;

const globs = z.array(z.string().min(1).max(500)).max(100).default([]);
const shape = {
  ref: Ref.default("main"),
  group: GroupName.default("default"),
  nodes: NodeChoice.default({ kind: "all" }),
  action: WarmAction.default("warm"),
  mode: WarmMode.default("each"),
  replicas: z.int().min(1).max(16).default(1),
  include: globs,
  exclude: globs,
  /** Of each node, at most. */
  bytesPerSecond: z.int().positive().nullable().default(null),
  /** From its start; when it is over and nodes are not ready, it is late. */
  deadlineSeconds: z.int().min(1).max(604_800).nullable().default(null),
  /** How long chunks are kept, and nodes that come later are warmed, too. */
  holdSeconds: z.int().min(60).max(HOLD_SECONDS_MAX).default(HOLD_SECONDS),
};

const ringRule = "mode 'ring' is about all nodes of a group";
/** With a trigger it is a schedule, which begins warm-ups. */
export const WarmupRequest = z
  .strictObject({ ...shape, trigger: WarmTrigger.optional(), operationId: OperationId })
  .refine(({ mode, nodes }) => mode === "each" || nodes.kind === "all", { error: ringRule, path: ["nodes"] });
export type WarmupRequest = z.infer<typeof WarmupRequest>;

export const WarmupId = z.string().regex(/^[A-Za-z0-9_-]{16,64}(?![\s\S])/, "16 to 64 letters, digits, '_' or '-'");

/** A warm-up as it is kept. */
export const WarmupJob = z.object({
  ...shape,
  id: WarmupId,
  repository: RepositoryName,
  revision: RevisionId,
  deadlineAt: z.string().nullable(),
  startedAt: z.string(),
  by: z.string(),
});
export type WarmupJob = z.infer<typeof WarmupJob>;

export const WarmState = z.enum(["waiting", "running", "ready", "failed"]);
export type WarmState = z.infer<typeof WarmState>;

/** What one agent says of its part. `ready`: every chunk was seen to have its digest. */
export const WarmReport = z.strictObject({
  warmup: WarmupId,
  state: WarmState,
  chunks: z.int().nonnegative(),
  chunksReady: z.int().nonnegative(),
  bytes: z.int().nonnegative(),
  bytesReady: z.int().nonnegative(),
  bytesPerSecond: z.int().nonnegative(),
  problem: z.string().max(300),
});
export type WarmReport = z.infer<typeof WarmReport>;

/** What an agent is to do. `untilMs` in milliseconds since 1970: how long to keep it. */
export const WarmTask = WarmupJob.pick({
  repository: true,
  revision: true,
  action: true,
  mode: true,
  replicas: true,
  include: true,
  exclude: true,
  bytesPerSecond: true,
}).extend({ warmup: WarmupId, untilMs: z.int() });
export type WarmTask = z.infer<typeof WarmTask>;

export const WarmupSummary = WarmupJob.extend({
  state: z.enum(["running", "ready", "late", "over"]),
  nodesReady: z.int(),
  nodesTarget: z.int(),
});
export type WarmupSummary = z.infer<typeof WarmupSummary>;

/** `etaSeconds`: null when nothing moves. */
export const WarmNode = WarmReport.omit({ warmup: true }).extend({ node: z.string(), etaSeconds: z.int().nullable() });
export type WarmNode = z.infer<typeof WarmNode>;
export const Warmup = WarmupSummary.extend({ nodeList: z.array(WarmNode) });
export type Warmup = z.infer<typeof Warmup>;

export const WarmSchedule = z.object({ ...shape, id: WarmupId, repository: RepositoryName, trigger: WarmTrigger, by: z.string() });
export type WarmSchedule = z.infer<typeof WarmSchedule>;

export const WarmupList = z.object({ warmups: z.array(WarmupSummary), schedules: z.array(WarmSchedule) });
export type WarmupList = z.infer<typeof WarmupList>;
/** One of both: what was started, or the schedule that will start some. */
export const WarmupStarted = z.object({ warmup: WarmupSummary.nullable(), schedule: WarmSchedule.nullable() });

export const WarmthQuery = z.strictObject({ ref: Ref.default("main"), group: GroupName.default("default") });
/** In the form that KEDA's metrics-api reads. `ratio`: 0 when no node is meant. */
export const Warmth = z.object({ revision: RevisionId, ready_nodes: z.int(), target_nodes: z.int(), ratio: z.number() });
export type Warmth = z.infer<typeof Warmth>;
