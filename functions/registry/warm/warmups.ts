/** Warm-ups: begun, looked at, ended. */
import type { RepositorySummary } from "../../../shared/contract/repositories.ts";
import type {
  WarmNode,
  WarmReport,
  Warmth,
  Warmup,
  WarmupJob,
  WarmupList,
  WarmupRequest,
  WarmupSummary,
} from "../../../shared/contract/warm.ts";
import { FerryError } from "../../../shared/errors.ts";
import { epochMs, isoTime } from "../../../shared/time.ts";
import type { Caller, Ports } from "../ports.ts";
import { resolveRevision } from "../revisions.ts";
import { type AgentEntry, boardOf, keepJob, readGroup, readReports } from "./boards.ts";
import { chosenNodes } from "./choice.ts";
import { addSchedule, endSchedule, schedulesOf } from "./schedules.ts";

type Seen = { job: WarmupJob; agents: readonly AgentEntry[]; reports: ReadonlyMap<string, WarmReport> };

const WAITING = { state: "waiting", chunks: 0, chunksReady: 0, bytes: 0, bytesReady: 0, bytesPerSecond: 0, problem: "" } as const;

/** The operation id is the warm-up's id, so a repeated request is the same one. Throws REF_UNKNOWN. */
export async function startWarmup(ports: Ports, caller: Pick<Caller, "name">, repository: RepositorySummary, request: WarmupRequest) {
  const { trigger, operationId: id, ...what } = request;
  const { revision } = await resolveRevision(ports, repository, request.ref);
  if (trigger !== undefined) {
    const schedule = { id, repository: repository.repository, trigger, by: caller.name, ...what };
    await addSchedule(ports, repository.id, schedule);
    return { warmup: null, schedule };
  }
  const nowMs = ports.clock.now();
  const deadlineAt = what.deadlineSeconds === null ? null : isoTime(nowMs + what.deadlineSeconds * 1000);
  const { agents, jobs } = await readGroup(ports, what.group);
  const begun = jobs.find((job) => job.id === id);
  const job = begun ?? { ...what, id, repository: repository.repository, revision, deadlineAt, startedAt: isoTime(nowMs), by: caller.name };
  if (begun === undefined) await keepJob(ports, repository.id, job);
  const [reports = new Map()] = await readReports(ports, [id]);
  return { warmup: await summaryOf({ job, agents, reports }, nowMs), schedule: null };
}

export async function listWarmups(ports: Ports, repository: RepositorySummary): Promise<WarmupList> {
  const seen = await seenOf(ports, repository);
  const nowMs = ports.clock.now();
  const warmups = await Promise.all(seen.map((one) => summaryOf(one, nowMs)));
  return { warmups: warmups.sort((a, b) => (a.startedAt < b.startedAt ? 1 : -1)), schedules: await schedulesOf(ports, repository.id) };
}

/** Throws WARMUP_UNKNOWN. */
export async function readWarmup(ports: Ports, repository: RepositorySummary, id: string): Promise<Warmup> {
  const seen = (await seenOf(ports, repository)).find(({ job }) => job.id === id);
  if (seen === undefined) throw new FerryError("WARMUP_UNKNOWN", { id });
  const nodes = chosenNodes(seen.job, seen.agents);
  return { ...(await summaryOf(seen, ports.clock.now())), nodeList: nodes.map((node) => nodeOf(node, seen.reports.get(node))) };
}

/** Agents stop when their next heartbeat does not name it any more. */
export async function cancelWarmup(ports: Ports, repository: RepositorySummary, id: string): Promise<void> {
  if (await endSchedule(ports, repository.id, id)) return;
  const [groups = new Map<string, string>()] = await ports.boards.read([boardOf.warmupsOf(repository.id)]);
  const group = groups.get(id);
  if (group === undefined) throw new FerryError("WARMUP_UNKNOWN", { id });
  await ports.boards.wipe(boardOf.warmups(group), [id]);
  await ports.boards.wipe(boardOf.warmupsOf(repository.id), [id]);
}

/** Nodes that are meant by any warm-up of the revision, and those of them that have all of it and are there. */
export async function warmthOf(ports: Ports, repository: RepositorySummary, query: { ref: string; group: string }): Promise<Warmth> {
  const { revision } = await resolveRevision(ports, repository, query.ref);
  const seen = (await seenOf(ports, repository)).filter(({ job }) => {
    return job.revision === revision && job.group === query.group && job.action === "warm";
  });
  const [meant, ready] = [new Set<string>(), new Set<string>()];
  for (const one of seen) {
    for (const node of chosenNodes(one.job, one.agents)) {
      meant.add(node);
      if (isReady(one, node)) ready.add(node);
    }
  }
  return { revision, ready_nodes: ready.size, target_nodes: meant.size, ratio: meant.size === 0 ? 0 : ready.size / meant.size };
}

export async function summaryOf(seen: Seen, nowMs: number): Promise<WarmupSummary> {
  const nodes = chosenNodes(seen.job, seen.agents);
  const nodesReady = nodes.filter((node) => isReady(seen, node)).length;
  const isAll = nodes.length > 0 && nodesReady === nodes.length;
  const { deadlineAt } = seen.job;
  const isLate = deadlineAt !== null && epochMs(deadlineAt) < nowMs;
  return { ...seen.job, state: isAll ? "ready" : isLate ? "late" : "running", nodesReady, nodesTarget: nodes.length };
}

/** What a node that is gone has is not known. */
function isReady({ agents, reports }: Seen, node: string): boolean {
  return reports.get(node)?.state === "ready" && agents.some((agent) => agent.id === node);
}

async function seenOf(ports: Ports, repository: RepositorySummary): Promise<Seen[]> {
  const [groups = new Map<string, string>()] = await ports.boards.read([boardOf.warmupsOf(repository.id)]);
  const seen: Seen[] = [];
  for (const group of new Set(groups.values())) {
    const { agents, jobs } = await readGroup(ports, group);
    const ours = jobs.filter((job) => groups.get(job.id) === group);
    const reports = await readReports(
      ports,
      ours.map((job) => job.id),
    );
    for (const [at, job] of ours.entries()) seen.push({ job, agents, reports: reports[at] ?? new Map() });
  }
  return seen;
}

function nodeOf(node: string, report: WarmReport | undefined): WarmNode {
  const { warmup: _, ...told } = report ?? { ...WAITING, warmup: "" };
  const left = told.bytes - told.bytesReady;
  return { node, ...told, etaSeconds: told.bytesPerSecond === 0 ? null : Math.ceil(left / told.bytesPerSecond) };
}
