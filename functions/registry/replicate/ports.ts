/** What replication needs of the world besides stores and indexes. All of its state may be lost: the buckets tell what is to be done. */
import type { RepositoryId } from "../../../shared/contract/repositories.ts";
import type { Digest } from "../../../shared/digest.ts";
import type { RevisionId, StoreId } from "../../../shared/names.ts";

/**
 * The plan of one replica. `copy`: attempt in the name of the envelope that says where its chunks are, or will be. `rank`: the smaller, the
 * sooner its tasks are given out. `attempt`: of home's envelope. `source`: a near store that had it at the time of planning, or home;
 * `sourceCopy`: attempt of its envelope.
 */
export type ReplicaJob = {
  job: string;
  store: StoreId;
  repositoryId: RepositoryId;
  revision: RevisionId;
  seq: number;
  manifest: Digest;
  attempt: string;
  copy: string;
  source: StoreId;
  sourceCopy: string;
  rank: number;
  tasks: number;
  chunks: number;
  bytes: number;
  plannedAtMs: number;
};

/** Places of the plan's envelope that are to be copied, by their position in it. */
export type TaskPlan = { places: readonly number[]; bytes: number };

/** `task`: `<job>:<number>`. `fence`: of this lease; each new one of a task has a higher number. `isRepeat`: it was given out before. */
export type Lease = { task: string; job: ReplicaJob; fence: number; failures: number; isRepeat: boolean; places: number[] };
export type Held = { store: StoreId; task: string; fence: number };

export type JobState = { job: ReplicaJob; left: number; doneBytes: number; failures: number; problem: string | null };

/** Who asks a little before its turn need not come again. */
export const TURN_MS = 2_000;

/** Tasks of replication, and who is at them. Times are the caller's, in milliseconds since 1970. */
export interface ReplicaJobs {
  /** Begins a job, in place of another plan of it. One with the same envelope (`copy`) is the same plan, and changes nothing. */
  put(job: ReplicaJob, tasks: readonly TaskPlan[]): Promise<void>;
  get(store: StoreId, job: string): Promise<JobState | null>;
  list(store: StoreId): Promise<JobState[]>;
  /** Gives out all tasks of a job that are neither done nor given out to anybody. False: parts of the job are lost. */
  mend(job: ReplicaJob): Promise<boolean>;
  /**
   * The task that comes first; null when none may be given out now. With a rate none is given out more than TURN_MS before all that were
   * given out have passed at it, however many executors there are.
   */
  lease(store: StoreId, nowMs: number, untilMs: number, bytesPerSecond?: number): Promise<Lease | null>;
  /** What somebody holds; null when the lease is lost. */
  find(held: Held): Promise<Pick<Lease, "job" | "failures" | "places"> | null>;
  /** False when the lease is lost, here and below. */
  extend(held: Held, untilMs: number): Promise<boolean>;
  fail(held: Held, problem: string, againAtMs: number): Promise<boolean>;
  /** How many tasks of the job are left; null when the lease is lost. A task is done once. */
  finish(held: Held): Promise<number | null>;
  end(job: ReplicaJob): Promise<void>;
}
