/**
 * Comparing what is wanted with what is there, and doing what follows. Everything rests on this: a commit, a tag, an event only make it
 * look sooner. It keeps no state but where it stands in the list of repositories.
 */
import * as z from "zod";
import type { RepositoryId, RepositorySummary } from "../../../shared/contract/repositories.ts";
import { toHex } from "../../../shared/digest.ts";
import { matchesGlob, RepositoryName, type RevisionId, type StoreId } from "../../../shared/names.ts";
import { withWhole } from "../log.ts";
import { repositoryLog, systemLog } from "../logs.ts";
import type { Bucket, Ports, Standing } from "../ports.ts";
import { completeJob, PLAN_MS_MAX } from "./complete.ts";
import { problemOf } from "./copy.ts";
import { tellLate } from "./late.ts";
import { type Base, jobId, planReplica } from "./plan.ts";
import type { JobState } from "./ports.ts";
import { idsWithMarkers, listMarkers, listReady, type Ready, unmarkReady } from "./ready.ts";
import { shipLogs } from "./ship.ts";
import { rateInto, standingOf } from "./standing.ts";
import { findEntry, type Want, wantedOf } from "./wanted.ts";

export type Reconciled = { repositories: number; opened: number; ready: number; evicted: number; problems: string[] };
/** What one look shares among repositories. `jobs`: those under way, by store. */
type Look = { ports: Ports; standing: Standing; jobs: Map<StoreId, Map<string, JobState>>; done: Reconciled; deadlineMs: number };

const LEASE = "sync";
const LEASE_MS = 60_000;
const NOTE = "sync";
const PAGE = 100;
/** Between two looks at everything when nothing wakes us, and when the last one met problems. */
const SWEEP_MS = 300_000;
const SWEEP_AGAIN_MS = 55_000;
/** Plans of one store that are open at once: the others are found by the next look. */
const OPEN_MAX = 200;

const Progress = z.object({ after: RepositoryName.nullable(), sweptAtMs: z.int(), problems: z.boolean() });
type Progress = z.infer<typeof Progress>;

/** Goes on with the look at all repositories, if its time has come. */
export async function reconcileSome(ports: Ports, deadlineMs: number, { now = false } = {}): Promise<Reconciled> {
  const done: Reconciled = { repositories: 0, opened: 0, ready: 0, evicted: 0, problems: [] };
  if (ports.stores.all().length < 2) return done;
  const owner = toHex(ports.random.bytes(8));
  if ((await ports.leases.acquire(LEASE, owner, LEASE_MS)) === null) return done;
  try {
    const text = await ports.notes.read(NOTE);
    const progress = progressOf(text);
    if (!now && !isDue(progress, ports.clock.now())) return done;
    const look = await beginLook(ports, done, deadlineMs);
    const next = await sweep(look, progress);
    await ports.notes.swap(NOTE, text, JSON.stringify(next));
    return done;
  } finally {
    await ports.leases.release(LEASE, owner);
  }
}

/** The next look begins at once: policies have changed. */
export async function wakeSweep(ports: Ports): Promise<void> {
  const text = await ports.notes.read(NOTE);
  if (text !== null) await ports.notes.swap(NOTE, text, JSON.stringify({ after: null, sweptAtMs: 0, problems: false } satisfies Progress));
}

/** One repository alone: something in it has changed. */
export async function reconcileOne(ports: Ports, repository: RepositorySummary, deadlineMs: number): Promise<Reconciled> {
  const done: Reconciled = { repositories: 0, opened: 0, ready: 0, evicted: 0, problems: [] };
  if (ports.stores.all().length < 2) return done;
  await reconcileRepository(await beginLook(ports, done, deadlineMs), repository);
  return done;
}

async function beginLook(ports: Ports, done: Reconciled, deadlineMs: number): Promise<Look> {
  const jobs = new Map<StoreId, Map<string, JobState>>();
  for (const { profile } of ports.stores.all()) {
    if (profile.id === ports.stores.home.profile.id) continue;
    const states = await ports.jobs.list(profile.id);
    jobs.set(profile.id, new Map(states.map((state) => [state.job.job, state])));
  }
  return { ports, standing: await standingOf(ports), jobs, done, deadlineMs };
}

function progressOf(text: string | null): Progress {
  const none: Progress = { after: null, sweptAtMs: 0, problems: false };
  if (text === null) return none;
  try {
    return Progress.catch(none).parse(JSON.parse(text));
  } catch {
    return none;
  }
}

function isDue({ after, sweptAtMs, problems }: Progress, nowMs: number): boolean {
  return after !== null || nowMs - sweptAtMs >= (problems ? SWEEP_AGAIN_MS : SWEEP_MS);
}

async function sweep(look: Look, progress: Progress): Promise<Progress> {
  const { ports, done, deadlineMs } = look;
  let { after } = progress;
  const isWhole = after === null;
  const living = new Set<RepositoryId>();
  const had = progress.after !== null && progress.problems;
  for (;;) {
    const query = { limit: PAGE, ...(after === null ? {} : { after }) };
    const page = await withWhole(systemLog(ports), () => ports.system.listRepositories(query));
    for (const repository of page) {
      await reconcileRepository(look, repository);
      living.add(repository.id);
      after = repository.repository;
      if (ports.clock.now() >= deadlineMs) return { after, sweptAtMs: progress.sweptAtMs, problems: had || done.problems.length > 0 };
    }
    if (page.length < PAGE) break;
  }
  await shipToAll(look);
  if (isWhole) await dropEnded(look, living);
  return { after: null, sweptAtMs: ports.clock.now(), problems: had || done.problems.length > 0 };
}

/** The system log, to every store that a policy names: also when nothing in a repository has changed. */
async function shipToAll({ ports, standing, done, deadlineMs }: Look): Promise<void> {
  for (const store of new Set(standing.policies.flatMap(({ stores }) => stores))) {
    if (store === ports.stores.home.profile.id || !ports.stores.all().some(({ profile }) => profile.id === store)) continue;
    await shipLogs(ports, store, null, deadlineMs).catch((error: unknown) => done.problems.push(problemOf(store, error)));
  }
}

/** Replicas of repositories that were purged. Only a look that began with the first repository and came to the last knows all living ones. */
async function dropEnded({ ports, done, deadlineMs }: Look, living: ReadonlySet<RepositoryId>): Promise<void> {
  for (const { profile, bucket } of ports.stores.all()) {
    if (profile.id === ports.stores.home.profile.id) continue;
    try {
      for await (const id of idsWithMarkers(bucket)) {
        if (ports.clock.now() >= deadlineMs) return;
        if (!living.has(id)) done.evicted += await dropIfEnded(ports, bucket, id);
      }
    } catch (error) {
      done.problems.push(problemOf(profile.id, error));
    }
  }
}

async function dropIfEnded(ports: Ports, bucket: Bucket, id: RepositoryId): Promise<number> {
  const state = await withWhole(repositoryLog(ports, id), () => ports.repositories.refs(id));
  if (!state.ended) return 0;
  const markers = await listMarkers(bucket, id);
  await unmarkReady(bucket, id, markers);
  return markers.length;
}

async function reconcileRepository(look: Look, repository: RepositorySummary): Promise<void> {
  const { ports, standing, done } = look;
  done.repositories++;
  const state = await withWhole(repositoryLog(ports, repository.id), () => ports.repositories.refs(repository.id));
  if (state.ended) return;
  const wanted = await wantedOf(ports, repository, state, standing.policies);
  const evicting = standing.policies.filter(({ evict, repositories }) => evict && matchesGlob(repositories, repository.repository));
  const stores = new Set([...wanted.keys(), ...evicting.flatMap((policy) => policy.stores)]);
  for (const store of stores) {
    const wants = wanted.get(store) ?? new Map<RevisionId, Want>();
    const evict = evicting.some((policy) => policy.stores.includes(store));
    try {
      await reconcileStore(look, repository, { store, wants, evict });
    } catch (error) {
      const problem = problemOf(store, error);
      done.problems.push(problem);
      for (const want of wants.values()) await tellLate(ports, repository, { store, want, problem: problem.slice(0, 300) });
    }
  }
}

type Aim = { store: StoreId; wants: Map<RevisionId, Want>; evict: boolean };

async function reconcileStore(look: Look, repository: RepositorySummary, { store, wants, evict }: Aim): Promise<void> {
  const { ports, deadlineMs } = look;
  if (store === ports.stores.home.profile.id || !ports.stores.all().some(({ profile }) => profile.id === store)) return;
  const { bucket } = ports.stores.get(store);
  const present = await listReady(bucket, repository.id);
  const needless = [...present.values()].filter(({ revision }) => !wants.has(revision));
  if (needless.length > 0) await dropNeedless(look, repository, { store, needless, evict });
  for (const want of wants.values()) {
    if (present.has(want.revision)) continue;
    if (ports.clock.now() >= deadlineMs || (look.jobs.get(store)?.size ?? 0) >= OPEN_MAX) return;
    await tellLate(ports, repository, { store, want, problem: null });
    await pursue(look, repository, { store, want, present });
  }
  if (present.size > 0) await shipLogs(ports, store, repository.id, deadlineMs);
}

/** Replicas of revisions that are gone, always; of others that nobody wants, where a policy says so. Home has each of those. */
async function dropNeedless(
  { ports, done }: Look,
  { id }: RepositorySummary,
  { store, needless, evict }: { store: StoreId; needless: Ready[]; evict: boolean },
): Promise<void> {
  const there = evict ? null : await revisionsOf(ports, id);
  const dropped = needless.filter(({ revision }) => there === null || !there.has(revision));
  if (dropped.length === 0) return;
  await unmarkReady(ports.stores.get(store).bucket, id, dropped);
  done.evicted += dropped.length;
  for (const { revision } of dropped) await ports.events.record({ type: "replica.evicted", repositoryId: id, about: { store, revision } });
}

/** All that were not purged. */
async function revisionsOf(ports: Ports, id: RepositoryId): Promise<Set<RevisionId>> {
  const found = new Set<RevisionId>();
  for (let before: number | undefined; ; ) {
    const page = await withWhole(repositoryLog(ports, id), () => ports.repositories.listRevisions(id, { before, limit: 1000 }));
    for (const { revision } of page) found.add(revision);
    if (page.length < 1000) return found;
    before = page.at(-1)?.seq;
  }
}

type Pursuit = { store: StoreId; want: Want; present: ReadonlyMap<RevisionId, Ready> };

/** Begins the job of a missing replica, or sees to the one that is there. */
async function pursue(look: Look, repository: RepositorySummary, { store, want, present }: Pursuit): Promise<void> {
  const { ports, done } = look;
  const jobs = look.jobs.get(store);
  const name = await jobId(store, repository.id, want.revision);
  const known = jobs?.get(name);
  if (known !== undefined && (await isUnderWay(look, known))) return;
  const entry = await findEntry(ports, repository, want.revision);
  if (entry === null || entry.deletedAt !== null) return;
  const base = await baseOf(ports, repository, entry.parent, present);
  const job = await planReplica(ports, {
    store,
    repository,
    entry,
    urgent: want.urgent,
    base,
    bytesPerSecond: rateInto(look.standing, store),
  });
  done.opened++;
  jobs?.set(name, { job, left: job.tasks, doneBytes: 0, failures: 0, problem: null });
  if (job.tasks === 0 && (await completeJob(ports, job))) {
    done.ready++;
    jobs?.delete(name);
  }
}

/** False: a new plan is needed. */
async function isUnderWay({ ports, done, jobs }: Look, { job, left }: JobState): Promise<boolean> {
  const old = ports.clock.now() - job.plannedAtMs > PLAN_MS_MAX;
  const sound = !old && (await ports.jobs.mend(job));
  if (sound && left > 0) return true;
  if (sound && (await completeJob(ports, job))) {
    done.ready++;
    jobs.get(job.store)?.delete(job.job);
    return true;
  }
  await ports.jobs.end(job);
  return false;
}

/** The parent's replica, or the newest: what a new revision shares most with. */
async function baseOf(
  ports: Ports,
  repository: RepositorySummary,
  parent: RevisionId | null,
  present: ReadonlyMap<RevisionId, Ready>,
): Promise<Base | null> {
  const ready = (parent === null ? undefined : present.get(parent)) ?? [...present.values()].at(-1);
  const entry = ready === undefined ? null : await findEntry(ports, repository, ready.revision);
  return ready === undefined || entry === null ? null : { manifest: entry.manifest, copy: ready.copy };
}
