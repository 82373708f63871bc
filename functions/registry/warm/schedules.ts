/**
 * Schedules of warm-ups: objects in the home bucket, so that they outlive the index. The minute's bell looks at all of them; a warm-up that
 * a schedule begins has an id made from the schedule and what it is for, so a bell that rings twice begins it once.
 */
import type { RepositoryId, RepositorySummary } from "../../../shared/contract/repositories.ts";
import { WarmSchedule } from "../../../shared/contract/warm.ts";
import { nextFire } from "../../../shared/cron.ts";
import { sha256 } from "../../../shared/digest.ts";
import { problemOf } from "../../../shared/errors.ts";
import { OperationId, type RepositoryName } from "../../../shared/names.ts";
import { isoTime } from "../../../shared/time.ts";
import { WARM_PREFIX, warmScheduleKey, warmSchedulePrefix } from "../layout.ts";
import { listAll } from "../listing.ts";
import type { Ports, RevisionEntry } from "../ports.ts";
import { findReady } from "../replicate/ready.ts";
import { resolveRevision } from "../revisions.ts";
import { boardOf, readGroup, readReports } from "./boards.ts";
import { startWarmup, summaryOf } from "./warmups.ts";

const TOLD_SECONDS = 31 * 86_400;

export async function addSchedule(ports: Ports, id: RepositoryId, schedule: WarmSchedule): Promise<void> {
  await ports.stores.home.bucket.create(warmScheduleKey(id, schedule.id), new TextEncoder().encode(JSON.stringify(schedule)));
}

export async function schedulesOf(ports: Ports, id: RepositoryId): Promise<WarmSchedule[]> {
  return (await readSchedules(ports, warmSchedulePrefix(id))).map(({ schedule }) => schedule);
}

/** False: there is none. */
export async function endSchedule(ports: Ports, id: RepositoryId, schedule: string): Promise<boolean> {
  const key = warmScheduleKey(id, schedule);
  if ((await ports.stores.home.bucket.head(key)) === null) return false;
  await ports.stores.home.bucket.delete([key]);
  return true;
}

/** `id`: of the warm-up; of the schedule for one that could not begin. */
export type WarmNews = {
  type: "warmup.begun" | "warmup.ready" | "warmup.late" | "warmup.failed";
  id: string;
  repository: RepositoryName;
  problem: string;
};

/** The minute's work: begins what is due, and tells, once each, what is ready or late. */
export async function tendWarmups(ports: Ports): Promise<WarmNews[]> {
  const news: WarmNews[] = [];
  for (const { repositoryId, schedule } of await readSchedules(ports, WARM_PREFIX)) {
    const { id, repository } = schedule;
    try {
      const begun = await beginDue(ports, repositoryId, schedule);
      if (begun !== null) news.push({ type: "warmup.begun", id: begun, repository, problem: "" });
    } catch (error) {
      news.push({ type: "warmup.failed", id, repository, problem: problemOf(error) });
    }
  }
  return [...news, ...(await findEnded(ports))];
}

async function beginDue(ports: Ports, repositoryId: RepositoryId, schedule: WarmSchedule): Promise<string | null> {
  const { trigger, id, ...what } = schedule;
  const repository = await repositoryOf(ports, repositoryId);
  if (repository === null) return null;
  const nowMs = ports.clock.now();
  const due =
    trigger.kind === "cron" ? nextFire(trigger.cron, trigger.zone, { fromMs: nowMs, toMs: nowMs + trigger.leadSeconds * 1000 }) : null;
  if (trigger.kind === "cron" && due === null) return null;
  const followed = due === null ? await resolveRevision(ports, repository, schedule.ref) : null;
  if (followed !== null && !(await isWhole(ports, repositoryId, followed, trigger))) return null;
  const cause = followed === null ? isoTime(due ?? nowMs) : followed.revision;
  const operationId = OperationId.parse((await sha256(`${id} ${cause}`)).slice(0, 40));
  const { jobs } = await readGroup(ports, what.group);
  if (jobs.some((job) => job.id === operationId)) return null;
  const deadlineSeconds = due === null ? what.deadlineSeconds : Math.ceil((due - nowMs) / 1000);
  await startWarmup(ports, { name: `schedule of ${what.by}` }, repository, { ...what, deadlineSeconds, operationId });
  return operationId;
}

/** Whether the store that a schedule waits for has the revision. */
async function isWhole(ports: Ports, id: RepositoryId, revision: RevisionEntry, trigger: WarmSchedule["trigger"]): Promise<boolean> {
  if (trigger.kind === "cron" || trigger.store === undefined || trigger.store === ports.stores.home.profile.id) return true;
  return (await findReady(ports.stores.get(trigger.store).bucket, id, revision)) !== null;
}

/** By the name it has now; null for one in the trash. */
async function repositoryOf(ports: Ports, id: RepositoryId): Promise<RepositorySummary | null> {
  const name = (await ports.system.namesOf([id])).get(id);
  return name === undefined ? null : ports.system.findRepository(name);
}

/** A note on the board keeps a warm-up from being told of again. */
async function findEnded(ports: Ports): Promise<WarmNews[]> {
  const [groups = new Map<string, string>(), told = new Map<string, string>()] = await ports.boards.read([boardOf.groups, boardOf.told]);
  const news: WarmNews[] = [];
  for (const group of groups.keys()) {
    const { agents, jobs } = await readGroup(ports, group);
    const reports = await readReports(
      ports,
      jobs.map(({ id }) => id),
    );
    for (const [at, job] of jobs.entries()) {
      const { state, nodesReady, nodesTarget } = await summaryOf({ job, agents, reports: reports[at] ?? new Map() }, ports.clock.now());
      if (state === "running" || state === "over" || told.has(`${state} ${job.id}`)) continue;
      news.push({
        type: `warmup.${state}`,
        id: job.id,
        repository: job.repository,
        problem: `${nodesReady} of ${nodesTarget} nodes are ready`,
      });
      await ports.boards.write(boardOf.told, { [`${state} ${job.id}`]: "1" }, TOLD_SECONDS);
    }
  }
  return news;
}

async function readSchedules(ports: Ports, prefix: string): Promise<{ repositoryId: RepositoryId; schedule: WarmSchedule }[]> {
  const { bucket } = ports.stores.home;
  const read: { repositoryId: RepositoryId; schedule: WarmSchedule }[] = [];
  for (const { key } of await listAll(bucket, prefix)) {
    const known = ports.cache.get<WarmSchedule>(key);
    const bytes = known === undefined ? await bucket.get(key) : null;
    const parsed = bytes === null ? null : WarmSchedule.safeParse(JSON.parse(new TextDecoder().decode(bytes)));
    const schedule = known ?? parsed?.data;
    if (schedule === undefined) continue;
    if (bytes !== null) ports.cache.set(key, schedule, 2 * bytes.length);
    const [, repositoryId] = key.split("/");
    read.push({ repositoryId: repositoryId as RepositoryId, schedule });
  }
  return read;
}
