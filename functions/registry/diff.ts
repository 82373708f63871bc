/** What changed from one revision to another, from their two envelopes: no recipe is read. */
import { DIFF_FILES_MAX, type Diff } from "../../shared/contract/lifecycle.ts";
import type { RepositorySummary } from "../../shared/contract/repositories.ts";
import { isSameFile } from "../../shared/diff.ts";
import type { Digest } from "../../shared/digest.ts";
import type { FileEntry } from "../../shared/manifest.ts";
import type { OpenEnvelope } from "./envelopes.ts";
import type { Ports, RevisionEntry } from "./ports.ts";
import { envelopeOf, findBase, resolveRevision } from "./revisions.ts";

/** Without `base`: since the revision's parent; a first revision, or one whose parent was purged, is all new. */
export async function diffRevisions(ports: Ports, repository: RepositorySummary, ref: string, base: string | undefined): Promise<Diff> {
  const later = await resolveRevision(ports, repository, ref);
  const earlier = base === undefined ? await parentOf(ports, repository, later) : await openRef(ports, repository, base);
  const after = await envelopeOf(ports, repository, later);
  const changes = fileChanges(earlier?.envelope.manifest.files ?? [], after.manifest.files);
  const count = (change: Diff["changes"][number]["change"]) => changes.filter((one) => one.change === change).length;
  const files = { added: count("added"), removed: count("removed"), changed: count("changed") };
  return {
    base: earlier?.revision ?? null,
    revision: later.revision,
    files: { ...files, unchanged: after.manifest.files.length - files.added - files.changed },
    bytes: byteChanges(earlier?.envelope.places ?? new Map(), after.places),
    changes: changes.slice(0, DIFF_FILES_MAX),
    more: changes.length > DIFF_FILES_MAX,
  };
}

type Opened = { revision: Diff["base"]; envelope: OpenEnvelope };

async function openRef(ports: Ports, repository: RepositorySummary, ref: string): Promise<Opened> {
  const entry = await resolveRevision(ports, repository, ref);
  return { revision: entry.revision, envelope: await envelopeOf(ports, repository, entry) };
}

async function parentOf(ports: Ports, repository: RepositorySummary, { parent }: RevisionEntry): Promise<Opened | null> {
  const envelope = parent === null ? null : await findBase(ports, repository, parent);
  return envelope === null ? null : { revision: parent, envelope };
}

/** By path. */
function fileChanges(before: readonly FileEntry[], after: readonly FileEntry[]): Diff["changes"] {
  const earlier = new Map(before.map((file) => [file.path, file]));
  const changes: Diff["changes"] = [];
  for (const file of after) {
    const old = earlier.get(file.path);
    earlier.delete(file.path);
    if (old === undefined) changes.push({ change: "added", path: file.path, sizeBefore: null, sizeAfter: sizeOf(file) });
    else if (!isSameFile(old, file)) changes.push({ change: "changed", path: file.path, sizeBefore: sizeOf(old), sizeAfter: sizeOf(file) });
  }
  for (const file of earlier.values()) changes.push({ change: "removed", path: file.path, sizeBefore: sizeOf(file), sizeAfter: null });
  return changes.sort((a, b) => (a.path < b.path ? -1 : 1));
}

function sizeOf(file: FileEntry): number {
  return file.mode === "link" ? 0 : file.size;
}

type Sizes = ReadonlyMap<Digest, { size: number }>;

function byteChanges(before: Sizes, after: Sizes): Diff["bytes"] {
  const bytes = { shared: 0, new: 0, gone: 0 };
  for (const [digest, { size }] of after) bytes[before.has(digest) ? "shared" : "new"] += size;
  for (const [digest, { size }] of before) if (!after.has(digest)) bytes.gone += size;
  return bytes;
}
