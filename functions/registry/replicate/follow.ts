/**
 * A deployment whose home store is a replica of another's: it reads the logs that replication writes there, serves the revisions that are
 * whole there, and writes nothing, until its store is promoted. The one that was home finds that in its own log, and writes no more.
 */
import type { RepositorySummary } from "../../../shared/contract/repositories.ts";
import { FerryError } from "../../../shared/errors.ts";
import { RefName, RevisionId } from "../../../shared/names.ts";
import { envelopeKey, READY_PREFIX } from "../layout.ts";
import { withWhole } from "../log.ts";
import { repositoryLog, systemLog } from "../logs.ts";
import type { Ports, RevisionEntry } from "../ports.ts";
import { findReady } from "./ready.ts";

/** Asked before every record. Throws FOLLOWER_READ_ONLY. With one store there is nobody who could have taken over. */
export async function demandHome(ports: Ports): Promise<void> {
  if (!ports.follower && ports.stores.all().length < 2) return;
  const own = ports.stores.home.profile.id;
  const { home } = await ports.system.standing();
  if (home === null ? ports.follower : home.store !== own)
    throw new FerryError("FOLLOWER_READ_ONLY", { home: home === null ? "another deployment" : `store ${home.store}` });
}

/**
 * Whether this deployment does the chores of a home. Before its home store is collected by the log: in a replica no record names the
 * envelopes, so all of it would be garbage. Throws FOLLOWER_READ_ONLY; COLLECT_REFUSED when the settings call a replica home.
 */
export async function demandOwnGround(ports: Ports): Promise<void> {
  await withWhole(systemLog(ports), () => demandHome(ports));
  const { bucket, profile } = ports.stores.home;
  const { objects } = await bucket.list(READY_PREFIX, { limit: 1 });
  if (objects.length === 0) return;
  const { home } = await withWhole(systemLog(ports), () => ports.system.standing());
  if (home?.store !== profile.id)
    throw new FerryError("COLLECT_REFUSED", {
      problem: `store ${profile.id} is a replica; it is collected by the deployment that is home`,
    });
}

/** What a follower serves for `ref`: what it names, or the newest of that branch before it that is whole here. */
export async function readableAt(ports: Ports, repository: RepositorySummary, entry: RevisionEntry, ref: string): Promise<RevisionEntry> {
  if (await isReadable(ports, repository, entry)) return entry;
  const branch = RevisionId.safeParse(ref).success ? null : RefName.parse(ref);
  const older =
    branch === null || branch !== entry.branch
      ? []
      : await withWhole(repositoryLog(ports, repository.id), () =>
          ports.repositories.listRevisions(repository.id, { branch, before: entry.seq, limit: 100 }),
        );
  for (const candidate of older) {
    if (candidate.deletedAt === null && (await isReadable(ports, repository, candidate))) return candidate;
  }
  throw new FerryError("REPLICA_NOT_READY", {
    store: ports.stores.home.profile.id,
    revision: entry.revision,
    retryAfterSeconds: 5,
  });
}

/** By its marker, or because it was made here after the promotion. */
export async function isReadable(ports: Ports, { id }: Pick<RepositorySummary, "id">, entry: RevisionEntry): Promise<boolean> {
  const { bucket } = ports.stores.home;
  if ((await findReady(bucket, id, entry)) !== null) return true;
  return (await bucket.head(envelopeKey(entry.manifest, entry.attempt))) !== null;
}
