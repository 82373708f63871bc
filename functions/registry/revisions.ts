/** Reading: refs to revisions, manifests, recipes. */
import type { ManifestAnswer, RepositorySummary, RevisionSummary } from "../../shared/contract/repositories.ts";
import type { Digest } from "../../shared/digest.ts";
import { FerryError } from "../../shared/errors.ts";
import { contentEntries } from "../../shared/manifest.ts";
import { RefName, RevisionId } from "../../shared/names.ts";
import type { Recipe } from "../../shared/recipe.ts";
import { findRecipe, type OpenEnvelope, readEnvelope } from "./envelopes.ts";
import { envelopeKey } from "./layout.ts";
import { demandLiving } from "./living.ts";
import { findConfirmed } from "./log.ts";
import { repositoryLog } from "./logs.ts";
import { pooled, STORE_WIDTH } from "./pool.ts";
import type { Ports, RevisionEntry } from "./ports.ts";
import { readableAt } from "./replicate/follow.ts";
import { findReady } from "./replicate/ready.ts";

/**
 * What `ref` names now: a branch, a tag or a revision id. Throws REF_UNKNOWN only after the bucket confirmed that, and REVISION_DELETED
 * for an id that is in the trash.
 */
export async function resolveRevision(ports: Ports, repository: RepositorySummary, ref: string): Promise<RevisionEntry> {
  const log = repositoryLog(ports, repository.id);
  const id = RevisionId.safeParse(ref);
  const found = await findConfirmed(log, async () => {
    const revision = id.success ? id.data : await ports.repositories.resolveName(repository.id, RefName.parse(ref));
    return revision === null ? null : ports.repositories.findRevision(repository.id, revision);
  });
  if (found === null) throw new FerryError("REF_UNKNOWN", { repository: repository.repository, ref });
  const living = demandLiving(found);
  return ports.follower ? readableAt(ports, repository, living, ref) : living;
}

/**
 * The envelope of a revision whose chunks an upload need not send again; null when it was purged since. In the trash it still serves:
 * collection keeps its chunks.
 */
export async function findBase(ports: Ports, repository: RepositorySummary, revision: RevisionId): Promise<OpenEnvelope | null> {
  const log = repositoryLog(ports, repository.id);
  const found = await findConfirmed(log, () => ports.repositories.findRevision(repository.id, revision));
  if (found === null) return null;
  return envelopeOf(ports, repository, found).catch((error: unknown) => {
    // It was not replicated before this store was promoted: there is nothing of it to build on.
    if (error instanceof FerryError && error.code === "REPLICA_NOT_READY") return null;
    throw error;
  });
}

/** Without what only the server needs. */
export function summaryOf({ attempt: _, ...summary }: RevisionEntry): RevisionSummary {
  return summary;
}

export async function readManifest(ports: Ports, repository: RepositorySummary, ref: string): Promise<ManifestAnswer> {
  const revision = await resolveRevision(ports, repository, ref);
  const { manifest } = await envelopeOf(ports, repository, revision);
  return { revision: summaryOf(revision), manifest };
}

/** A follower's store is a replica: there a marker names the envelope, until a promotion gives it its name. Throws REPLICA_NOT_READY. */
export async function envelopeOf(ports: Ports, { id }: Pick<RepositorySummary, "id">, revision: RevisionEntry): Promise<OpenEnvelope> {
  const { manifest, attempt } = revision;
  if (!ports.follower) return readEnvelope(ports, manifest, attempt);
  const { profile, bucket } = ports.stores.home;
  if ((await bucket.head(envelopeKey(manifest, attempt))) !== null) return readEnvelope(ports, manifest, attempt);
  const ready = await findReady(bucket, id, revision);
  if (ready !== null) return readEnvelope(ports, manifest, ready.copy);
  throw new FerryError("REPLICA_NOT_READY", { store: profile.id, revision: revision.revision, retryAfterSeconds: 5 });
}

/** Recipes in the order asked. A recipe is read through a revision that names it, never by its digest alone. */
export async function readRecipes(ports: Ports, repository: RepositorySummary, ref: string, digests: readonly Digest[]): Promise<Recipe[]> {
  const revision = await resolveRevision(ports, repository, ref);
  const { manifest } = await envelopeOf(ports, repository, revision);
  const named = new Set(contentEntries(manifest).map((file) => file.recipe));
  for (const recipe of digests) if (!named.has(recipe)) throw new FerryError("RECIPE_UNKNOWN", { revision: revision.revision, recipe });
  return pooled(digests, STORE_WIDTH, async (digest) => {
    const recipe = await findRecipe(ports, digest);
    if (recipe === null) throw new FerryError("LOG_DAMAGED", { repository: repository.repository, problem: `recipe ${digest} is missing` });
    return recipe;
  });
}
