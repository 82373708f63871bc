/** Tasks of replication in memory. Answers are copies. */
import {
  type Held,
  type JobState,
  type Lease,
  type ReplicaJob,
  type ReplicaJobs,
  type TaskPlan,
  TURN_MS,
} from "../../functions/registry/replicate/ports.ts";
import type { StoreId } from "../../shared/names.ts";

type Task = TaskPlan & { done: boolean; fence: number; failures: number; atMs: number };
type Entry = { job: ReplicaJob; tasks: Task[]; doneBytes: number; failures: number; problem: string | null };

export class MemoryReplicaJobs implements ReplicaJobs {
  readonly stores = new Map<StoreId, Map<string, Entry>>();
  readonly #passedMs = new Map<StoreId, number>();
  #fence = 0;

  async put(job: ReplicaJob, tasks: readonly TaskPlan[]): Promise<void> {
    const jobs = this.stores.get(job.store) ?? new Map<string, Entry>();
    this.stores.set(job.store, jobs);
    if (jobs.get(job.job)?.job.copy === job.copy) return;
    const fresh = tasks.map((task): Task => ({ ...structuredClone(task), done: false, fence: 0, failures: 0, atMs: job.rank }));
    jobs.set(job.job, { job: { ...job }, tasks: fresh, doneBytes: 0, failures: 0, problem: null });
  }

  async get(store: StoreId, job: string): Promise<JobState | null> {
    const entry = this.stores.get(store)?.get(job);
    return entry === undefined ? null : stateOf(entry);
  }

  async list(store: StoreId): Promise<JobState[]> {
    return [...(this.stores.get(store)?.values() ?? [])].map(stateOf);
  }

  async mend(job: ReplicaJob): Promise<boolean> {
    return this.stores.get(job.store)?.has(job.job) ?? false;
  }

  async lease(store: StoreId, nowMs: number, untilMs: number, bytesPerSecond = 0): Promise<Lease | null> {
    const passedMs = this.#passedMs.get(store) ?? 0;
    if (bytesPerSecond > 0 && passedMs > nowMs + TURN_MS) return null;
    const open = [...(this.stores.get(store)?.values() ?? [])].flatMap((entry) =>
      entry.tasks.flatMap((task, at) => (task.done || task.atMs > nowMs ? [] : [{ entry, task, at }])),
    );
    const [first] = open.sort((a, b) => a.task.atMs - b.task.atMs);
    if (first === undefined) return null;
    const { entry, task, at } = first;
    const isRepeat = task.fence > 0 || task.failures > 0;
    task.fence = ++this.#fence;
    task.atMs = untilMs;
    if (bytesPerSecond > 0) this.#passedMs.set(store, Math.max(passedMs, nowMs) + (task.bytes * 1000) / bytesPerSecond);
    const { failures, places, fence } = task;
    return { task: `${entry.job.job}:${at}`, job: { ...entry.job }, fence, failures, isRepeat, places: [...places] };
  }

  async find(held: Held): Promise<Pick<Lease, "job" | "failures" | "places"> | null> {
    const found = this.#held(held);
    return found === null ? null : { job: { ...found.entry.job }, failures: found.task.failures, places: [...found.task.places] };
  }

  async extend(held: Held, untilMs: number): Promise<boolean> {
    const { task } = this.#held(held) ?? {};
    if (task !== undefined) task.atMs = untilMs;
    return task !== undefined;
  }

  async fail(held: Held, problem: string, againAtMs: number): Promise<boolean> {
    const found = this.#held(held);
    if (found === null) return false;
    Object.assign(found.task, { fence: 0, failures: found.task.failures + 1, atMs: againAtMs });
    Object.assign(found.entry, { failures: found.entry.failures + 1, problem });
    return true;
  }

  async finish(held: Held): Promise<number | null> {
    const found = this.#held(held);
    if (found === null) return null;
    found.task.done = true;
    found.entry.doneBytes += found.task.bytes;
    found.entry.problem = null;
    return stateOf(found.entry).left;
  }

  async end(job: ReplicaJob): Promise<void> {
    this.stores.get(job.store)?.delete(job.job);
  }

  #held({ store, task: name, fence }: Held): { entry: Entry; task: Task } | null {
    const [job = "", at] = name.split(":");
    const entry = this.stores.get(store)?.get(job);
    const task = entry?.tasks[Number(at)];
    return entry === undefined || task === undefined || task.done || task.fence !== fence ? null : { entry, task };
  }
}

function stateOf({ job, tasks, doneBytes, failures, problem }: Entry): JobState {
  return { job: { ...job }, left: tasks.filter(({ done }) => !done).length, doneBytes, failures, problem };
}
