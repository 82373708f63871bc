/** Which revisions each retention rule keeps. Pure: what is given, nothing else. */
import type { KeepReason } from "../../shared/contract/lifecycle.ts";
import type { Retention } from "../../shared/contract/repositories.ts";
import type { RevisionId } from "../../shared/names.ts";
import { epochMs } from "../../shared/time.ts";
import { bestBy } from "./history.ts";
import type { RevisionEntry } from "./ports.ts";

const DAY_MS = 86_400_000;

export type Candidate = Pick<RevisionEntry, "revision" | "seq" | "branch" | "time" | "sizeBytes" | "metrics">;
export type Keeps = Map<RevisionId, Set<KeepReason>>;

/** @param candidates living revisions, newest first. */
export function keptByRules(candidates: readonly Candidate[], rules: Retention, nowMs: number): Keeps {
  const keeps: Keeps = new Map();
  const keep = (reason: KeepReason, kept: readonly Candidate[]) => {
    for (const { revision } of kept) keepFor(keeps, revision, reason);
  };
  const { keepLast, keepEvery, keepDays, keepBest } = rules;
  const branches = Map.groupBy(candidates, ({ branch }) => branch);
  for (const history of branches.values()) {
    if (keepLast !== undefined) keep("last", history.slice(0, keepLast));
    if (keepEvery !== undefined) keep("every", everyNth(history, keepEvery));
  }
  if (keepDays !== undefined) {
    const sinceMs = nowMs - keepDays * DAY_MS;
    keep(
      "days",
      candidates.filter(({ time }) => epochMs(time) >= sinceMs),
    );
  }
  if (keepBest !== undefined) keep("best", bestBy(candidates, keepBest.metric, keepBest.order).slice(0, keepBest.count));
  return keeps;
}

export function keepFor(keeps: Keeps, revision: RevisionId, reason: KeepReason): void {
  const reasons = keeps.get(revision) ?? new Set();
  keeps.set(revision, reasons.add(reason));
}

/**
 * The oldest, then each that is `n` records of the log or more after the last kept. Counted in records, not in revisions that are left:
 * what a run keeps the next run keeps, however much was deleted between. Where records of other kinds lie between it keeps more, never less.
 */
function everyNth(history: readonly Candidate[], n: number): Candidate[] {
  const kept: Candidate[] = [];
  for (const candidate of history.toReversed()) {
    const last = kept.at(-1);
    if (last === undefined || candidate.seq >= last.seq + n) kept.push(candidate);
  }
  return kept;
}
