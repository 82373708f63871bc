/**
 * History as clients of the Hub change it: squashed into one revision, or without some files. Nothing is rewritten here: a branch gets a new
 * revision, and what came before goes into the trash, from where it can be restored for its fourteen days.
 */
import type { RepositorySummary } from "../../../shared/contract/repositories.ts";
import type { Digest } from "../../../shared/digest.ts";
import { FerryError } from "../../../shared/errors.ts";
import { type ContentEntry, contentEntries } from "../../../shared/manifest.ts";
import type { OperationId, RefName, RevisionId } from "../../../shared/names.ts";
import { restoreBranch } from "../clone.ts";
import { walkHistory } from "../history.ts";
import { livingState, valueAt } from "../living.ts";
import { pooled, STORE_WIDTH } from "../pool.ts";
import type { Caller, Ports, RevisionEntry } from "../ports.ts";
import { REVISIONS_MAX } from "../records.ts";
import { envelopeOf } from "../revisions.ts";
import { trashRevisions } from "../trash.ts";
import { commitChanges } from "./changes.ts";

/** Revisions whose files are looked at: each is a read of the bucket. */
const LOOKED_AT_MAX = 500;
const SQUASHED_MAX = 10_000;

type NewId = () => OperationId;

/** Throws BRANCH_UNKNOWN. Revisions that a tag or another branch names stay. */
export async function squashBranch(
  ports: Ports,
  caller: Caller,
  repository: RepositorySummary,
  { branch, message, newId }: { branch: RefName; message: string; newId: NewId },
): Promise<void> {
  const head = valueAt((await livingState(ports, repository)).branches, branch);
  if (head === undefined) throw new FerryError("BRANCH_UNKNOWN", { repository: repository.repository, branch });
  await restoreBranch(ports, caller, repository, branch, { ref: head, expected: head, message, operationId: newId() });
  const older: RevisionId[] = [];
  for await (const page of walkHistory(ports, repository.id, { branch, limit: SQUASHED_MAX }))
    for (const { revision, deletedAt } of page) if (deletedAt === null) older.push(revision);
  const { branches, tags } = await livingState(ports, repository);
  const named = new Set<string>([...Object.values(branches), ...Object.values(tags)]);
  await toTrash(ports, caller, repository, {
    revisions: older.filter((revision) => !named.has(revision)),
    reason: "squashed",
    newId,
  });
}

/** Each file of the newest revisions with the oldest of them that has it. */
export async function filesEver(ports: Ports, repository: RepositorySummary): Promise<{ file: ContentEntry; revision: RevisionEntry }[]> {
  const found = new Map<string, { file: ContentEntry; revision: RevisionEntry }>();
  for (const { revision, files } of await newest(ports, repository))
    for (const file of files) found.set(`${file.sha256} ${file.path}`, { file, revision });
  return [...found.values()].sort((a, b) => (a.file.path < b.file.path ? -1 : 1));
}

/** Throws REVISION_IN_USE before anything changes when a tag names a revision with one of them. */
export async function expungeFiles(
  ports: Ports,
  caller: Caller,
  repository: RepositorySummary,
  { contents, newId }: { contents: readonly Digest[]; newId: NewId },
): Promise<void> {
  const unwanted = new Set<Digest>(contents);
  const { branches, tags } = await livingState(ports, repository);
  const having = (await newest(ports, repository)).flatMap(({ revision, files }) => {
    const paths = files.filter(({ sha256 }) => unwanted.has(sha256)).map(({ path }) => path);
    return paths.length === 0 ? [] : [{ revision: revision.revision, paths }];
  });
  const paths = new Map(having.map((one) => [one.revision, one.paths]));
  for (const [tag, revision] of Object.entries(tags))
    if (paths.has(revision)) throw new FerryError("REVISION_IN_USE", { revision, ref: `tag ${tag}` });
  for (const [name, head] of Object.entries(branches)) {
    const gone = paths.get(head);
    if (gone === undefined) continue;
    const changes = async function* () {
      for (const path of gone) yield { kind: "remove" as const, path };
    };
    const request = { branch: name as RefName, parent: head, message: `Delete ${gone.length} files from history` };
    await commitChanges(ports, caller, repository, request, changes());
  }
  await toTrash(ports, caller, repository, { revisions: [...paths.keys()], reason: "files deleted from history", newId });
}

/** Living revisions, the newest first, with their files. */
async function newest(ports: Ports, repository: RepositorySummary) {
  const entries: RevisionEntry[] = [];
  for await (const page of walkHistory(ports, repository.id, { limit: LOOKED_AT_MAX }))
    entries.push(...page.filter(({ deletedAt }) => deletedAt === null));
  return pooled(entries, STORE_WIDTH, async (revision) => {
    return { revision, files: contentEntries((await envelopeOf(ports, repository, revision)).manifest) };
  });
}

type Unwanted = { revisions: readonly RevisionId[]; reason: string; newId: NewId };

async function toTrash(ports: Ports, caller: Caller, repository: RepositorySummary, { revisions, reason, newId }: Unwanted): Promise<void> {
  for (let at = 0; at < revisions.length; at += REVISIONS_MAX) {
    const page = revisions.slice(at, at + REVISIONS_MAX);
    await trashRevisions(ports, caller, repository, { revisions: page, reason, operationId: newId() });
  }
}
