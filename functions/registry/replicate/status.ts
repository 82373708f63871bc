/** What replication is at, and where a repository's revisions are. */
import type { ReplicaJobState, ReplicaState, SyncStatus } from "../../../shared/contract/replication.ts";
import type { RepositorySummary } from "../../../shared/contract/repositories.ts";
import type { RevisionId, StoreId } from "../../../shared/names.ts";
import { isoTime } from "../../../shared/time.ts";
import { withWhole } from "../log.ts";
import { repositoryLog, systemLog } from "../logs.ts";
import type { Ports } from "../ports.ts";
import { jobId } from "./plan.ts";
import type { JobState } from "./ports.ts";
import { listReady } from "./ready.ts";
import { standingOf } from "./standing.ts";
import { FAILURES_TOLD } from "./tasks.ts";
import { wantedOf } from "./wanted.ts";

export async function syncStatus(ports: Ports, repository: RepositorySummary | null): Promise<SyncStatus> {
  const states = (await Promise.all(otherStores(ports).map((store) => ports.jobs.list(store)))).flat();
  const about = repository === null ? states : states.filter(({ job }) => job.repositoryId === repository.id);
  const ids = [...new Set(about.map(({ job }) => job.repositoryId))];
  const names = ids.length === 0 ? new Map() : await withWhole(systemLog(ports), () => ports.system.namesOf(ids));
  const jobs = about.map(
    (state): ReplicaJobState => ({ ...describeJob(ports, state), repository: names.get(state.job.repositoryId) ?? null }),
  );
  return { jobs, replicas: repository === null ? [] : await rowsOf(ports, repository, about) };
}

function otherStores({ stores }: Ports): StoreId[] {
  return stores.all().flatMap(({ profile }) => (profile.id === stores.home.profile.id ? [] : [profile.id]));
}

function describeJob(ports: Ports, state: JobState): Omit<ReplicaJobState, "repository"> {
  const { job, left, doneBytes, failures, problem } = state;
  const { store, repositoryId, revision, chunks, bytes, tasks, plannedAtMs } = job;
  const passedMs = ports.clock.now() - plannedAtMs;
  const etaSeconds = doneBytes === 0 ? null : Math.ceil((passedMs / 1000) * ((bytes - doneBytes) / doneBytes));
  const common = { job: job.job, store, repositoryId, revision, chunks, bytes, tasks };
  return { ...common, state: stateOf(state), doneBytes, tasksLeft: left, plannedAt: isoTime(plannedAtMs), etaSeconds, failures, problem };
}

function stateOf({ problem, failures }: JobState): ReplicaState {
  if (problem === null) return "copying";
  return failures < FAILURES_TOLD ? "retrying" : "failed";
}

async function rowsOf(ports: Ports, repository: RepositorySummary, states: readonly JobState[]): Promise<SyncStatus["replicas"]> {
  const state = await withWhole(repositoryLog(ports, repository.id), () => ports.repositories.refs(repository.id));
  const wanted = await wantedOf(ports, repository, state, (await standingOf(ports)).policies);
  const refs = new Map<RevisionId, string[]>();
  for (const [name, revision] of [...Object.entries(state.branches), ...Object.entries(state.tags)])
    refs.set(revision, [...(refs.get(revision) ?? []), name]);
  const jobs = new Map(states.map((one) => [one.job.job, one]));
  const present = new Map<StoreId, Set<RevisionId>>();
  for (const store of otherStores(ports)) {
    const ready = await listReady(ports.stores.get(store).bucket, repository.id).catch(() => new Map<RevisionId, never>());
    present.set(store, new Set(ready.keys()));
  }
  const revisions = new Set([...refs.keys(), ...[...present.values()].flatMap((set) => [...set])]);
  return Promise.all(
    [...revisions].map(async (revision) => ({
      revision,
      refs: refs.get(revision) ?? [],
      stores: await Promise.all(
        [...present].map(async ([store, ready]) => {
          const job = jobs.get(await jobId(store, repository.id, revision));
          const known = ready.has(revision) ? "ready" : job === undefined ? "absent" : stateOf(job);
          const isWanted = wanted.get(store)?.has(revision) ?? false;
          return { store, wanted: isWanted, state: known satisfies ReplicaState, job: job?.job.job ?? null };
        }),
      ),
    })),
  );
}

/** It is begun again by the next comparison that finds it wanted: to end that, change the policy. */
export async function cancelJob(ports: Ports, store: StoreId, job: string): Promise<void> {
  const state = await ports.jobs.get(ports.stores.get(store).profile.id, job);
  if (state !== null) await ports.jobs.end(state.job);
}
