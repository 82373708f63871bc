/**
 * What is known of agents and warm-ups. All of it is on boards of the index, lost with it: agents tell everything again within seconds, and
 * a warm-up that is lost is begun anew by its schedule, or by hand. Schedules alone are in the bucket (schedules.ts).
 *
 *   agents:<group>           agent id → what it told last
 *   warmups:<group>          warm-up id → the job, as long as it is held
 *   warmups-of:<repository>  warm-up id → its group
 *   warmup:<id>              agent id → its report
 *   warm-groups              group → time of its newest warm-up: where the bell looks
 *   agent-groups             group → time when an agent joined it last: for who looks for groups
 *   warm-told                <state> <warm-up id> → 1: what was told of it
 */
import * as z from "zod";
import { AgentDescription } from "../../../shared/contract/agents.ts";
import type { RepositoryId } from "../../../shared/contract/repositories.ts";
import { WarmReport, WarmupJob } from "../../../shared/contract/warm.ts";
import { epochMs, isoTime } from "../../../shared/time.ts";
import type { Ports } from "../ports.ts";

export const HEARTBEAT_SECONDS = 5;
/** An agent that told nothing for so long is not there. */
export const GONE_MS = 4 * HEARTBEAT_SECONDS * 1000;
const BOARD_SECONDS = 3600;
const DAY_SECONDS = 86_400;
/** A group that nobody joined for so long is found by its warm-ups alone. */
const GROUP_DAYS = 90;

const AgentEntry = AgentDescription.extend({ seenAtMs: z.int() });
export type AgentEntry = z.infer<typeof AgentEntry>;

export const boardOf = {
  agents: (group: string) => `agents:${group}`,
  warmups: (group: string) => `warmups:${group}`,
  warmupsOf: (id: RepositoryId) => `warmups-of:${id}`,
  reports: (warmup: string) => `warmup:${warmup}`,
  groups: "warm-groups",
  agentGroups: "agent-groups",
  told: "warm-told",
};

/** @param isNew it was not there: who comes to a group names it for those who look for groups, not with each beat */
export async function keepAgent(ports: Ports, group: string, entry: AgentEntry, isNew: boolean): Promise<void> {
  await ports.boards.write(boardOf.agents(group), { [entry.id]: JSON.stringify(entry) }, BOARD_SECONDS);
  if (isNew) await ports.boards.write(boardOf.agentGroups, { [group]: isoTime(entry.seenAtMs) }, GROUP_DAYS * DAY_SECONDS);
}

/** Groups that agents joined, or that warm-ups were begun in, in the order of their names. */
export async function listGroups(ports: Ports): Promise<string[]> {
  const boards = await ports.boards.read([boardOf.groups, boardOf.agentGroups]);
  return [...new Set(boards.flatMap((board) => [...board.keys()]))].sort();
}

/** Agents that are there, and jobs that are held, of a group. Forgets those that are gone or over. */
export async function readGroup(ports: Ports, group: string): Promise<{ agents: AgentEntry[]; jobs: WarmupJob[] }> {
  const [agentTexts = new Map(), jobTexts = new Map()] = await ports.boards.read([boardOf.agents(group), boardOf.warmups(group)]);
  const nowMs = ports.clock.now();
  const agents = [...agentTexts].map(([id, text]) => ({ id, entry: parsed(AgentEntry, text) }));
  const jobs = [...jobTexts].map(([id, text]) => ({ id, entry: parsed(WarmupJob, text) }));
  const isThere = (entry: AgentEntry | null) => entry !== null && entry.seenAtMs > nowMs - GONE_MS;
  const isHeld = (job: WarmupJob | null) => job !== null && untilMs(job) > nowMs;
  await ports.boards.wipe(
    boardOf.agents(group),
    agents.flatMap(({ id, entry }) => (isThere(entry) ? [] : [id])),
  );
  await ports.boards.wipe(
    boardOf.warmups(group),
    jobs.flatMap(({ id, entry }) => (isHeld(entry) ? [] : [id])),
  );
  return {
    agents: agents.flatMap(({ entry }) => (entry !== null && isThere(entry) ? [entry] : [])),
    jobs: jobs.flatMap(({ entry }) => (entry !== null && isHeld(entry) ? [entry] : [])),
  };
}

export async function keepJob(ports: Ports, repositoryId: RepositoryId, job: WarmupJob): Promise<void> {
  const seconds = Math.max(DAY_SECONDS, job.holdSeconds);
  await ports.boards.write(boardOf.warmups(job.group), { [job.id]: JSON.stringify(job) }, seconds);
  await ports.boards.write(boardOf.warmupsOf(repositoryId), { [job.id]: job.group }, seconds);
  await ports.boards.write(boardOf.groups, { [job.group]: job.startedAt }, 31 * DAY_SECONDS);
}

export async function keepReports(ports: Ports, agentId: string, reports: readonly WarmReport[]): Promise<void> {
  for (const report of reports)
    await ports.boards.write(boardOf.reports(report.warmup), { [agentId]: JSON.stringify(report) }, DAY_SECONDS);
}

/** Reports of each warm-up, by agent. */
export async function readReports(ports: Ports, warmups: readonly string[]): Promise<Map<string, WarmReport>[]> {
  const boards = await ports.boards.read(warmups.map((id) => boardOf.reports(id)));
  return boards.map((texts) => {
    const reports = [...texts].map(([agent, text]) => [agent, parsed(WarmReport, text)] as const);
    return new Map(reports.flatMap(([agent, report]) => (report === null ? [] : [[agent, report] as const])));
  });
}

/** Until when a job is held, and its chunks are kept: milliseconds since 1970. */
export function untilMs(job: WarmupJob): number {
  return epochMs(job.startedAt) + job.holdSeconds * 1000;
}

/** Null: an older or newer deployment wrote it. It will be told again. */
function parsed<S extends z.ZodType>(schema: S, text: string): z.infer<S> | null {
  try {
    return schema.parse(JSON.parse(text));
  } catch {
    return null;
  }
}
