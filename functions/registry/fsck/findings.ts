/** Adding up what was found: one finding for each thing that is wrong, however often it is come by. */
import type { Affected, BadChunk, Finding, FindingKind, FsckRun, Severity } from "../../../shared/contract/fsck.ts";

/** A run keeps so many; what is more is counted. */
const FINDINGS_MAX = 500;
const AFFECTED_MAX = 20;
const BAD_MAX = 2_000;

const SEVERITIES: Record<FindingKind, Severity> = {
  "log.damaged": "error",
  "index.behind": "warning",
  "index.ahead": "error",
  "index.unlike": "warning",
  "envelope.missing": "error",
  "envelope.damaged": "error",
  "recipe.missing": "error",
  "recipe.damaged": "error",
  "chunk.missing": "error",
  "chunk.length": "error",
  "chunk.corrupt": "error",
  "chunk.unplaced": "error",
  "chunk.reappeared": "warning",
  stray: "warning",
  more: "error",
};

export type News = { kind: FindingKind; what: string; detail: string; affected?: readonly Affected[] };

export function withFindings(run: FsckRun, news: readonly News[]): FsckRun {
  const findings = new Map(run.findings.map((finding) => [nameOf(finding), finding]));
  for (const each of news) {
    const old = findings.get(nameOf(each));
    if (old === undefined && findings.size >= FINDINGS_MAX) addMore(findings);
    else findings.set(nameOf(each), merged(old ?? null, each));
  }
  return { ...run, findings: [...findings.values()] };
}

/** Remembers the chunk for `blame`; beyond the bound it only counts. */
export function withBad(run: FsckRun, bad: readonly BadChunk[]): FsckRun {
  const known = new Set(run.bad.map(({ sha256, tag }) => `${sha256}~${tag}`));
  const fresh = bad.filter(({ sha256, tag }) => !known.has(`${sha256}~${tag}`));
  const room = Math.max(0, BAD_MAX - run.bad.length);
  const more = fresh.slice(room).map(({ kind, sha256, detail }): News => ({ kind: "more", what: kind, detail: `${sha256}: ${detail}` }));
  return withFindings({ ...run, bad: [...run.bad, ...fresh.slice(0, room)] }, more);
}

function nameOf({ kind, what }: { kind: string; what: string }): string {
  return `${kind} ${what}`;
}

function merged(old: Finding | null, { kind, what, detail, affected = [] }: News): Finding {
  const known = old?.affected ?? [];
  const fresh = affected.filter((one) => !known.some((other) => one.revision === other.revision && one.path === other.path));
  return {
    severity: SEVERITIES[kind],
    kind,
    what,
    detail: old?.detail ?? detail,
    affected: [...known, ...fresh].slice(0, AFFECTED_MAX),
    affectedCount: (old?.affectedCount ?? 0) + fresh.length,
  };
}

function addMore(findings: Map<string, Finding>): void {
  const name = nameOf({ kind: "more", what: "findings" });
  const old = findings.get(name) ?? null;
  const finding = merged(old, { kind: "more", what: "findings", detail: "there are more than one run keeps" });
  findings.set(name, { ...finding, affectedCount: (old?.affectedCount ?? 0) + 1 });
}
