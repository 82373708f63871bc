/** What acts on a repository stand on: its state at the log's tail, and revisions that are not in the trash. */
import type { RepositorySummary } from "../../shared/contract/repositories.ts";
import { FerryError } from "../../shared/errors.ts";
import { RevisionId } from "../../shared/names.ts";
import { withWhole } from "./log.ts";
import { repositoryLog } from "./logs.ts";
import { pooled, STORE_WIDTH } from "./pool.ts";
import type { Ports, RepositoryState, RevisionEntry } from "./ports.ts";

/** Refs, settings and usage at one moment. Throws REPOSITORY_UNKNOWN once the repository was purged: nothing may follow its last record. */
export async function livingState(ports: Ports, repository: RepositorySummary): Promise<RepositoryState> {
  const state = await withWhole(repositoryLog(ports, repository.id), () => ports.repositories.refs(repository.id));
  if (state.ended) throw new FerryError("REPOSITORY_UNKNOWN", { repository: repository.repository });
  return state;
}

/** The value of a name that somebody chose: `constructor` is one, too. */
export function valueAt<T>(values: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(values, name) ? values[name] : undefined;
}

/** What `ref` names in this state. Throws REF_UNKNOWN. */
export function namedIn(repository: RepositorySummary, { branches, tags }: RepositoryState, ref: string): RevisionId {
  const id = RevisionId.safeParse(ref);
  const revision = id.success ? id.data : (valueAt(branches, ref) ?? valueAt(tags, ref));
  if (revision === undefined) throw new FerryError("REF_UNKNOWN", { repository: repository.repository, ref });
  return revision;
}

/** The same, with what is known of it. */
export async function namedRevision(
  ports: Ports,
  repository: RepositorySummary,
  state: RepositoryState,
  ref: string,
): Promise<RevisionEntry> {
  const id = namedIn(repository, state, ref);
  const entry = await withWhole(repositoryLog(ports, repository.id), () => ports.repositories.findRevision(repository.id, id));
  if (entry === null) throw new FerryError("REF_UNKNOWN", { repository: repository.repository, ref });
  return entry;
}

/** A revision, in the trash or not, in an index that is at the log's tail. Throws REVISION_UNKNOWN, also for what was purged. */
export async function knownRevision(ports: Ports, repository: RepositorySummary, revision: RevisionId): Promise<RevisionEntry> {
  const log = repositoryLog(ports, repository.id);
  const entry = await withWhole(log, () => ports.repositories.findRevision(repository.id, revision));
  if (entry === null) throw new FerryError("REVISION_UNKNOWN", { repository: repository.repository, revision });
  return entry;
}

/** The same for several. */
export function knownRevisions(ports: Ports, repository: RepositorySummary, revisions: readonly RevisionId[]): Promise<RevisionEntry[]> {
  return pooled(revisions, STORE_WIDTH, (revision) => knownRevision(ports, repository, revision));
}

/** Throws REVISION_DELETED for a revision in the trash. */
export function demandLiving<E extends RevisionEntry>(entry: E): E {
  const { revision, deletedAt } = entry;
  if (deletedAt !== null) throw new FerryError("REVISION_DELETED", { revision, deletedAt });
  return entry;
}
