/** Tasks of replication on Redis. Nothing here is the truth: a lost key costs a comparison of buckets, and chunks that are copied again. */
import * as z from "zod";
import { RepositoryId } from "../../shared/contract/repositories.ts";
import { Digest } from "../../shared/digest.ts";
import { RevisionId, StoreId } from "../../shared/names.ts";
import {
  type Held,
  type JobState,
  type Lease,
  type ReplicaJob,
  type ReplicaJobs,
  type TaskPlan,
  TURN_MS,
} from "../registry/replicate/ports.ts";
import { type Command, integerOf, listOf, type RedisCommands, type Reply, textOf, unavailable } from "./commands.ts";
import type { Keys } from "./keys.ts";
import { JOBS } from "./lua-jobs.ts";

const Job = z.object({
  job: z.string(),
  store: StoreId,
  repositoryId: RepositoryId,
  revision: RevisionId,
  seq: z.int(),
  manifest: Digest,
  attempt: z.string(),
  copy: z.string(),
  source: StoreId,
  sourceCopy: z.string(),
  rank: z.int(),
  tasks: z.int(),
  chunks: z.int(),
  bytes: z.int(),
  plannedAtMs: z.int(),
});

export class RedisReplicaJobs implements ReplicaJobs {
  readonly #commands: RedisCommands;
  readonly #keys: Keys;

  constructor(commands: RedisCommands, keys: Keys) {
    this.#commands = commands;
    this.#keys = keys;
  }

  async put(job: ReplicaJob, tasks: readonly TaskPlan[]): Promise<void> {
    const texts = tasks.map(({ places, bytes }) => `${bytes}|${places.join(",")}`);
    integerOf(await this.#run(JOBS.put, job.store, [job.job, JSON.stringify(job), job.copy, job.rank, ...texts]));
  }

  async get(store: StoreId, job: string): Promise<JobState | null> {
    const fields = [job, `${job}:left`, `${job}:bytes`, `${job}:failures`, `${job}:problem`];
    const [reply] = await this.#commands.pipeline([["HMGET", this.#keys.work(store).jobs, ...fields]]);
    const [plan, ...more] = listOf(reply);
    return plan === null ? null : stateOf(textOf(plan), more);
  }

  async list(store: StoreId): Promise<JobState[]> {
    const [reply] = await this.#commands.pipeline([["HGETALL", this.#keys.work(store).jobs]]);
    const flat = listOf(reply);
    const fields = new Map<string, Reply>();
    for (let at = 0; at + 1 < flat.length; at += 2) fields.set(textOf(flat[at]), flat[at + 1] ?? null);
    return [...fields].flatMap(([job, plan]) => {
      if (job.includes(":")) return [];
      const more = ["left", "bytes", "failures", "problem"].map((name) => fields.get(`${job}:${name}`) ?? null);
      return [stateOf(textOf(plan), more)];
    });
  }

  async mend(job: ReplicaJob): Promise<boolean> {
    return integerOf(await this.#run(JOBS.mend, job.store, [job.job, job.rank])) === 1;
  }

  async lease(store: StoreId, nowMs: number, untilMs: number, bytesPerSecond = 0): Promise<Lease | null> {
    const reply = listOf(await this.#run(JOBS.lease, store, [nowMs, untilMs, bytesPerSecond, TURN_MS]));
    if (reply.length === 0) return null;
    const [task, plan, fence, failures, was, places] = reply;
    return {
      task: textOf(task),
      job: jobOf(textOf(plan)),
      fence: integerOf(fence),
      failures: integerOf(failures),
      isRepeat: integerOf(was) > 0 || integerOf(failures) > 0,
      places: textOf(places).split(",").map(Number),
    };
  }

  async find({ store, task, fence }: Held): Promise<Pick<Lease, "job" | "failures" | "places"> | null> {
    const reply = listOf(await this.#run(JOBS.find, store, [task, fence]));
    if (reply.length === 0) return null;
    const [plan, failures, places] = reply;
    return { job: jobOf(textOf(plan)), failures: integerOf(failures), places: textOf(places).split(",").map(Number) };
  }

  async extend({ store, task, fence }: Held, untilMs: number): Promise<boolean> {
    return integerOf(await this.#run(JOBS.extend, store, [task, fence, untilMs])) === 1;
  }

  async fail({ store, task, fence }: Held, problem: string, againAtMs: number): Promise<boolean> {
    return integerOf(await this.#run(JOBS.fail, store, [task, fence, againAtMs, problem])) === 1;
  }

  async finish({ store, task, fence }: Held): Promise<number | null> {
    const left = await this.#run(JOBS.finish, store, [task, fence]);
    return left === -1 ? null : integerOf(left);
  }

  async end(job: ReplicaJob): Promise<void> {
    integerOf(await this.#run(JOBS.end, job.store, [job.job]));
  }

  #run(script: string, store: StoreId, args: Command): Promise<Reply> {
    const { jobs, queue, tasks } = this.#keys.work(store);
    return this.#commands.script(script, [jobs, queue, tasks], args);
  }
}

function stateOf(plan: string, more: readonly Reply[]): JobState {
  const [left = null, bytes = null, failures = null, problem = null] = more;
  return {
    job: jobOf(plan),
    left: left === null ? 0 : integerOf(left),
    doneBytes: bytes === null ? 0 : integerOf(bytes),
    failures: failures === null ? 0 : integerOf(failures),
    problem: problem === null ? null : textOf(problem),
  };
}

function jobOf(text: string): ReplicaJob {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw unavailable("it holds a job that can't be read");
  }
  const parsed = Job.safeParse(value);
  if (!parsed.success) throw unavailable("it holds a job that can't be read");
  return parsed.data;
}
