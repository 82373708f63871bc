/** What the clients were promised, what was counted, and what was found to be violated. */
import type { RepositoryName, RevisionId } from "../../shared/names.ts";

export type Files = Record<string, string>;

/** `going`: its owner deletes it, so nobody may expect it any more. */
export type Entry = {
  repository: RepositoryName;
  revision: RevisionId;
  seq: number;
  /** Of this act alone: a revision of this message must be there once. */
  message: string;
  files: Files;
  state: "kept" | "going";
};

/** What a violation is: an acknowledged revision that is not there, is not whole, or is there more than once; or anything else. */
export type Wrong = "lost" | "torn" | "doubled" | "other";

export class Journal {
  readonly entries: Entry[] = [];
  /** By repository, then tag. */
  readonly tags = new Map<RepositoryName, Map<string, RevisionId>>();
  readonly counts: Record<string, number> = {};
  readonly faults: Record<string, number> = {};
  readonly violations: string[] = [];
  readonly wrong: Record<Wrong, number> = { lost: 0, torn: 0, doubled: 0, other: 0 };
  longestMs = 0;

  count(name: string, by = 1): void {
    this.counts[name] = (this.counts[name] ?? 0) + by;
  }

  fault(kind: string): void {
    this.faults[kind] = (this.faults[kind] ?? 0) + 1;
  }

  violation(text: string, kind: Wrong = "other"): void {
    this.wrong[kind]++;
    this.violations.push(`${new Date().toISOString()} ${text}`);
    process.stderr.write(`VIOLATION ${text}\n`);
  }

  keptIn(repository: RepositoryName): Entry[] {
    return this.entries.filter((entry) => entry.repository === repository && entry.state === "kept");
  }

  isTagged({ repository, revision }: Entry): boolean {
    return [...(this.tags.get(repository)?.values() ?? [])].includes(revision);
  }

  setTag(repository: RepositoryName, tag: string, revision: RevisionId): void {
    const tags = this.tags.get(repository) ?? new Map<string, RevisionId>();
    this.tags.set(repository, tags.set(tag, revision));
  }
}
