/** Replication: which revisions should be in which stores, and how far that is. */
import * as z from "zod";
import { Digest } from "../digest.ts";
import { NamePart, OperationId, RefName, RepositoryGlob, RepositoryName, RevisionId, StoreId } from "../names.ts";
import { DownloadBatch } from "./downloads.ts";
import { Labels, RepositoryId } from "./repositories.ts";
import { TicketBatch } from "./uploads.ts";

export const POLICIES_MAX = 50;
/** Revisions that one run of a policy may ask for. */
export const PINS_MAX = 200;
/** Above this a policy is saved only by somebody who says that it is meant. */
export const POLICY_BYTES_MAX = 100 * 2 ** 40;
export const TASK_CHUNKS_MAX = 32;
/** A tag below this prefix, or a label whose key is, asks for its revision in the store that it names. */
export const DEPLOY_PREFIX = "deploy/";

/** Stores that labels ask for a revision in, whatever their values. */
export function deployStores(labels: Readonly<Record<string, string>>): StoreId[] {
  return Object.keys(labels).flatMap((key) => deployStore(key) ?? []);
}

/** The store that a tag, or a label's key, names; null: none. */
export function deployStore(name: string): StoreId | null {
  const store = name.startsWith(DEPLOY_PREFIX) ? StoreId.safeParse(name.slice(DEPLOY_PREFIX.length)) : null;
  return store?.success ? store.data : null;
}

export const RefGlob = z
  .string()
  .max(128)
  .regex(/^[A-Za-z0-9._*/-]+(?![\s\S])/, "a branch or tag, with '*' for any characters within a part; '*' alone for all");

/**
 * `commit`: what matching branches and tags point at, always. `tag`: the same of tags alone. `cron`, `webhook`, `manual`: what matched when
 * the policy was last run, by the clock (`everyHours`), by an event, or by hand.
 */
export const PolicyTrigger = z.enum(["commit", "tag", "cron", "webhook", "manual"]);
export type PolicyTrigger = z.infer<typeof PolicyTrigger>;

export const Policy = z.strictObject({
  name: NamePart,
  repositories: RepositoryGlob,
  refs: RefGlob.default("*"),
  /** A revision matches that has all of these. */
  labels: Labels.default({}),
  stores: z.array(StoreId).min(1).max(16),
  trigger: PolicyTrigger.default("commit"),
  everyHours: z.int().min(1).max(8760).optional(),
  /** Replicas of matching repositories in these stores that no policy asks for are given up. */
  evict: z.boolean().default(false),
  /** Whatever is copied into one of the stores takes no more than this of the way there, whoever copies it. */
  bytesPerSecond: z
    .int()
    .min(1024)
    .max(2 ** 40)
    .optional(),
  /** An event tells of a replica that has been missing for longer. */
  lagSeconds: z
    .int()
    .min(60)
    .max(30 * 86_400)
    .optional(),
});
export type Policy = z.infer<typeof Policy>;

/** `pins`: what the last run asked for, where the trigger is one of those that run. `savedAt`: not known of old ones. */
export const StoredPolicy = Policy.extend({
  pins: z.array(z.strictObject({ repositoryId: RepositoryId, revision: RevisionId })).max(PINS_MAX),
  ranAt: z.iso.datetime().nullable(),
  savedAt: z.iso.datetime().optional(),
});
export type StoredPolicy = z.infer<typeof StoredPolicy>;

export const PolicySummary = z.object({ ...Policy.shape, pinned: z.int(), ranAt: z.string().nullable() });
export type PolicySummary = z.infer<typeof PolicySummary>;
export const PolicyList = z.object({ policies: z.array(PolicySummary) });

/** `yes`: also when it would move more than POLICY_BYTES_MAX. */
export const PolicyRequest = z.strictObject({ policy: Policy, operationId: OperationId, yes: z.boolean().default(false) });
export const PolicyAct = z.strictObject({ operationId: OperationId });

export const PREVIEW_MAX = 200;
/** `bytes`: of all that is missing, as if nothing of it were shared. */
export const PolicyPreview = z.object({
  matches: z.int(),
  missing: z.int(),
  bytes: z.int(),
  /** Not all repositories were looked at: there may be more. */
  more: z.boolean(),
  replicas: z
    .array(z.object({ repository: RepositoryName, refs: z.array(z.string()), revision: RevisionId, store: StoreId, sizeBytes: z.int() }))
    .max(PREVIEW_MAX),
});
export type PolicyPreview = z.infer<typeof PolicyPreview>;

/** `failed`: it failed again and again; it is still tried, seldom where trying again does not help by itself. */
export const ReplicaState = z.enum(["absent", "copying", "retrying", "failed", "ready"]);
export type ReplicaState = z.infer<typeof ReplicaState>;
export const ReplicaJobState = z.object({
  job: z.string(),
  store: StoreId,
  repositoryId: RepositoryId,
  repository: RepositoryName.nullable(),
  revision: RevisionId,
  state: ReplicaState,
  chunks: z.int(),
  bytes: z.int(),
  doneBytes: z.int(),
  tasks: z.int(),
  tasksLeft: z.int(),
  plannedAt: z.string(),
  etaSeconds: z.int().nullable(),
  failures: z.int(),
  problem: z.string().nullable(),
});
export type ReplicaJobState = z.infer<typeof ReplicaJobState>;

export const SyncQuery = z.object({ repository: RepositoryName.optional() });
export const ReplicaRow = z.object({
  revision: RevisionId,
  refs: z.array(z.string()),
  stores: z.array(z.object({ store: StoreId, wanted: z.boolean(), state: ReplicaState, job: z.string().nullable() })),
});
/** `replicas`: of the repository that was asked for. */
export const SyncStatus = z.object({ jobs: z.array(ReplicaJobState), replicas: z.array(ReplicaRow) });
export type SyncStatus = z.infer<typeof SyncStatus>;

export const SyncStep = z.object({
  repositories: z.int(),
  opened: z.int(),
  tasks: z.int(),
  chunks: z.int(),
  bytes: z.int(),
  ready: z.int(),
  evicted: z.int(),
  problems: z.array(z.string()),
});
export type SyncStep = z.infer<typeof SyncStep>;

export const VerifyRequest = z.strictObject({ store: StoreId, after: z.string().max(200).optional() });
export type VerifyRequest = z.infer<typeof VerifyRequest>;
/** One replica looked at; `next`: where to go on, null at the end. */
export const VerifyAnswer = z.object({
  revision: RevisionId.nullable(),
  chunks: z.int(),
  missing: z.int(),
  next: z.string().nullable(),
});
export type VerifyAnswer = z.infer<typeof VerifyAnswer>;

export const LeaseRequest = z.strictObject({ executor: z.string().min(1).max(64) });
/**
 * A task for an executor: GET each of `sources`, PUT it by the ticket at the same place of `tickets`. Chunks that are there already are
 * left out, so both may be empty.
 */
export const LeasedTask = z.object({
  task: z.string(),
  fence: z.int(),
  leaseSeconds: z.int(),
  source: StoreId,
  repository: RepositoryName.nullable(),
  revision: RevisionId,
  sources: DownloadBatch,
  tickets: TicketBatch,
  /** At most so much at once of all chunks together; null: no limit. */
  bytesPerSecond: z.int().nullable().default(null),
});
export type LeasedTask = z.infer<typeof LeasedTask>;
/** `task` null: nothing to do; come again after `waitSeconds`. */
export const LeaseAnswer = z.object({ task: LeasedTask.nullable(), waitSeconds: z.int() });
export type LeaseAnswer = z.infer<typeof LeaseAnswer>;
export const TaskName = z.string().regex(/^[0-9a-f]{16}:\d{1,6}(?![\s\S])/);
export const ExtendRequest = z.strictObject({ task: TaskName, fence: z.int() });
export const ExtendAnswer = z.object({ leaseSeconds: z.int() });
export type ExtendAnswer = z.infer<typeof ExtendAnswer>;
/** `problem`: why it was not done; the task is given out again later. `bad`: chunks whose content was not what they are called. */
export const FinishRequest = z.strictObject({
  task: TaskName,
  fence: z.int(),
  problem: z.string().max(300).optional(),
  bad: z.array(Digest).max(TASK_CHUNKS_MAX).default([]),
});
export type FinishRequest = z.infer<typeof FinishRequest>;
export const FinishAnswer = z.object({ tasksLeft: z.int(), ready: z.boolean() });
export type FinishAnswer = z.infer<typeof FinishAnswer>;

export const JobPath = z.object({ store: StoreId, job: z.string().regex(/^[0-9a-f]{16}(?![\s\S])/) });
export const PolicyPath = z.object({ policy: NamePart });

/** What the new home lacks of what its logs name. */
export const PromoteRequest = z.strictObject({ operationId: OperationId, dryRun: z.boolean().default(false) });
export const PromoteAnswer = z.object({
  store: StoreId,
  epoch: z.int().nullable(),
  ready: z.int(),
  lost: z.array(z.object({ repository: RepositoryName, revision: RevisionId, refs: z.array(RefName) })),
  /** More repositories are to be gone through: ask again. */
  more: z.boolean(),
});
export type PromoteAnswer = z.infer<typeof PromoteAnswer>;
