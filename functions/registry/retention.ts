/** Retention: what no rule of a repository keeps moves into the trash. */
import { RETENTION_REVISIONS_MAX, RETENTION_SCAN_MAX, type RetentionPlan, type RetentionRequest } from "../../shared/contract/lifecycle.ts";
import type { RepositorySummary, Retention } from "../../shared/contract/repositories.ts";
import { FerryError } from "../../shared/errors.ts";
import type { RevisionId } from "../../shared/names.ts";
import { epochMs } from "../../shared/time.ts";
import { actOnce } from "./acts.ts";
import { metricOf, walkHistory } from "./history.ts";
import { livingState } from "./living.ts";
import type { Body } from "./log.ts";
import { repositoryLog } from "./logs.ts";
import type { Caller, Ports } from "./ports.ts";
import type { RepositoryRecord } from "./records.ts";
import { type Candidate, type Keeps, keepFor, keptByRules } from "./retention-rules.ts";

const REASON = "retention";

/**
 * Moves up to 1,000 revisions that nothing keeps into the trash, the oldest first. Heads and tagged revisions always stay; without rules
 * all do. The plan is made at the log's tail, so a tag that was set meanwhile counts. Looks at the newest 100,000 revisions; older ones
 * stay. Throws RETENTION_EMPTY.
 */
export async function runRetention(
  ports: Ports,
  caller: Caller,
  repository: RepositorySummary,
  request: RetentionRequest,
): Promise<RetentionPlan> {
  if (request.dryRun) return planRun(ports, repository, request, ports.clock.now());
  const act = { operationId: request.operationId, actor: caller.name };
  const kind = { op: "delete" as const, isSame: ({ reason }: { reason: string }) => reason === REASON };
  let plan: RetentionPlan | null = null;
  const record = await actOnce(
    repositoryLog(ports, repository.id),
    act,
    kind,
    async (at, ports): Promise<Body<RepositoryRecord> | null> => {
      plan = await planRun(ports, repository, request, epochMs(at));
      const revisions = plan.deletes.map(({ revision }) => revision).sort();
      return revisions.length === 0 ? null : { op: "delete", repositoryId: repository.id, revisions, reason: REASON };
    },
  );
  return plan ?? repeatedAnswer(ports, repository, request, record?.revisions ?? []);
}

/** What the act deleted when it landed, beside what is kept now. */
async function repeatedAnswer(
  ports: Ports,
  repository: RepositorySummary,
  request: RetentionRequest,
  deleted: readonly RevisionId[],
): Promise<RetentionPlan> {
  const plan = await planRun(ports, repository, { ...request, force: true }, ports.clock.now());
  const wanted = new Set(deleted);
  const deletes: RetentionPlan["deletes"] = [];
  for await (const page of walkHistory(ports, repository.id, { limit: RETENTION_SCAN_MAX }))
    for (const entry of page) if (wanted.has(entry.revision)) deletes.push(lineOf(entry));
  return { ...plan, deletes: deletes.reverse(), more: plan.deletes.length > 0 };
}

type Run = Pick<RetentionRequest, "retention" | "force" | "dryRun">;

async function planRun(ports: Ports, repository: RepositorySummary, run: Run, nowMs: number): Promise<RetentionPlan> {
  const { branches, tags, settings } = await livingState(ports, repository);
  const rules = run.retention ?? settings.retention;
  const { candidates, scanned } = await gatherLiving(ports, repository, rules);
  const keeps: Keeps = rules === null ? new Map() : keptByRules(candidates, rules, nowMs);
  const byRule = keeps.size;
  for (const revision of Object.values(branches)) keepFor(keeps, revision, "head");
  for (const revision of Object.values(tags)) keepFor(keeps, revision, "tag");
  const drops = rules === null ? [] : candidates.filter(({ revision }) => !keeps.has(revision)).reverse();
  if (rules !== null && drops.length > 0 && !run.force) refuseEmpty(repository, rules, { candidates, byRule, count: drops.length });
  return {
    dryRun: run.dryRun,
    scanned,
    kept: candidates.length - drops.length,
    keptBy: countsOf(keeps),
    deletes: drops.slice(0, RETENTION_REVISIONS_MAX).map(lineOf),
    more: drops.length > RETENTION_REVISIONS_MAX,
  };
}

/** Rules that keep nothing are a slip more often than a wish; so is a metric that no revision has. */
function refuseEmpty(
  { repository }: RepositorySummary,
  { keepBest }: Retention,
  { candidates, byRule, count }: { candidates: readonly Candidate[]; byRule: number; count: number },
): void {
  const refuse = (problem: string) => {
    throw new FerryError("RETENTION_EMPTY", { repository, count, problem });
  };
  if (keepBest !== undefined && candidates.every((candidate) => metricOf(candidate, keepBest.metric) === null))
    refuse(`no revision has the metric ${keepBest.metric}`);
  if (byRule === 0) refuse("keep nothing but heads and tags");
}

/** Living revisions, newest first, each without what no rule looks at. */
async function gatherLiving(ports: Ports, repository: RepositorySummary, rules: Retention | null) {
  const metric = rules?.keepBest?.metric;
  const candidates: Candidate[] = [];
  let scanned = 0;
  for await (const page of walkHistory(ports, repository.id, { limit: RETENTION_SCAN_MAX })) {
    for (const entry of page) {
      scanned++;
      if (entry.deletedAt !== null) continue;
      const { revision, seq, branch, time, sizeBytes, metrics } = entry;
      const value = metric === undefined || metricOf(entry, metric) === null ? undefined : metrics[metric];
      candidates.push({
        revision,
        seq,
        branch,
        time,
        sizeBytes,
        metrics: metric === undefined || value === undefined ? {} : { [metric]: value },
      });
    }
  }
  return { candidates, scanned };
}

function lineOf({ revision, branch, time, sizeBytes }: Omit<Candidate, "metrics">): RetentionPlan["deletes"][number] {
  return { revision, branch, time, sizeBytes };
}

function countsOf(keeps: Keeps): RetentionPlan["keptBy"] {
  const counts = { head: 0, tag: 0, last: 0, every: 0, days: 0, best: 0 };
  for (const reasons of keeps.values()) for (const reason of reasons) counts[reason]++;
  return counts;
}
