/** Adding up what was found: one finding for each thing that is wrong, however often it is come by. */
import type { Affected, BadChunk, Finding, FindingKind, FsckRun, Severity } from "../../../shared/contract/fsck.ts";
import type { Digest } from "../../../shared/digest.ts";

/** A run keeps so many of each kind; what is more is counted. */
const FINDINGS_MAX = 100;
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
  const counts = new Map<FindingKind, number>();
  for (const { kind } of run.findings) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  for (const each of news) {
    const old = findings.get(nameOf(each)) ?? null;
    const count = counts.get(each.kind) ?? 0;
    if (old === null && count >= FINDINGS_MAX) {
      addMore(findings, each.kind);
      continue;
    }
    if (old === null) counts.set(each.kind, count + 1);
    findings.set(nameOf(each), merged(old, each));
  }
  return { ...run, findings: [...findings.values()] };
}

/** One that nobody was seen to need yet. */
export function badChunk({ sha256, tag, size }: Place, kind: BadChunk["kind"], detail = "revisions name it"): BadChunk {
  return { sha256, tag, size, kind, detail, needed: false, source: null, fresh: null };
}

type Place = { sha256: Digest; tag: string; size: number };

/** Remembers the chunk for `blame`; beyond the bound it only counts. */
export function withBad(run: FsckRun, bad: readonly BadChunk[]): FsckRun {
  const known = new Set(run.bad.map(({ sha256, tag }) => `${sha256}~${tag}`));
  const fresh = bad.filter(({ sha256, tag }) => !known.has(`${sha256}~${tag}`));
  const room = Math.max(0, BAD_MAX - run.bad.length);
  const next = { ...run, bad: [...run.bad, ...fresh.slice(0, room)] };
  const findings = new Map(next.findings.map((finding) => [nameOf(finding), finding]));
  for (const { kind } of fresh.slice(room)) addMore(findings, kind);
  return { ...next, findings: [...findings.values()] };
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

function addMore(findings: Map<string, Finding>, kind: FindingKind): void {
  const name = nameOf({ kind: "more", what: kind });
  const old = findings.get(name) ?? null;
  const finding = merged(old, { kind: "more", what: kind, detail: "there are more than a run keeps" });
  findings.set(name, { ...finding, affectedCount: (old?.affectedCount ?? 0) + 1 });
}
