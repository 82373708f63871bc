/** Reading: refs to revisions, history, manifests, recipes. */
import type { ManifestAnswer, RepositorySummary, RevisionPage, RevisionSummary } from "../../shared/contract/repositories.ts";
import type { Digest } from "../../shared/digest.ts";
import { FerryError } from "../../shared/errors.ts";
import { contentEntries } from "../../shared/manifest.ts";
import { RefName, RevisionId } from "../../shared/names.ts";
import type { Recipe } from "../../shared/recipe.ts";
import { findRecipe, type OpenEnvelope, readEnvelope } from "./envelopes.ts";
import { findConfirmed, withWhole } from "./log.ts";
import { repositoryLog } from "./logs.ts";
import { pooled, STORE_WIDTH } from "./pool.ts";
import type { Ports, RevisionEntry } from "./ports.ts";

/** What `ref` names now: a branch, a tag or a revision id. Throws REF_UNKNOWN only after the bucket confirmed that. */
export async function resolveRevision(ports: Ports, repository: RepositorySummary, ref: string): Promise<RevisionEntry> {
  const log = repositoryLog(ports, repository.id);
  const id = RevisionId.safeParse(ref);
  const found = await findConfirmed(log, async () => {
    const revision = id.success ? id.data : await ports.repositories.resolveName(repository.id, RefName.parse(ref));
    return revision === null ? null : ports.repositories.findRevision(repository.id, revision);
  });
  if (found === null) throw new FerryError("REF_UNKNOWN", { repository: repository.repository, ref });
  return found;
}

/** Without what only the server needs. */
export function summaryOf({ attempt: _, ...summary }: RevisionEntry): RevisionSummary {
  return summary;
}

export async function listRevisions(
  ports: Ports,
  repository: RepositorySummary,
  query: { branch?: RefName | undefined; cursor?: string | undefined; limit: number },
): Promise<RevisionPage> {
  const before = query.cursor === undefined ? undefined : seqOfCursor(query.cursor);
  const page = { branch: query.branch, before, limit: query.limit };
  const entries = await withWhole(repositoryLog(ports, repository.id), () => ports.repositories.listRevisions(repository.id, page));
  const last = entries.at(-1);
  return { revisions: entries.map(summaryOf), next: last !== undefined && entries.length === query.limit ? String(last.seq) : null };
}

function seqOfCursor(cursor: string): number {
  const seq = Number(cursor);
  if (!Number.isSafeInteger(seq) || seq < 0) throw new FerryError("REQUEST_INVALID", { problem: "cursor: not one of ours" });
  return seq;
}

export async function readManifest(ports: Ports, repository: RepositorySummary, ref: string): Promise<ManifestAnswer> {
  const revision = await resolveRevision(ports, repository, ref);
  const { manifest } = await envelopeOf(ports, revision);
  return { revision: summaryOf(revision), manifest };
}

export function envelopeOf(ports: Ports, revision: RevisionEntry): Promise<OpenEnvelope> {
  return readEnvelope(ports, revision.manifest, revision.attempt);
}

/** Recipes in the order asked. A recipe is read through a revision that names it, never by its digest alone. */
export async function readRecipes(ports: Ports, repository: RepositorySummary, ref: string, digests: readonly Digest[]): Promise<Recipe[]> {
  const revision = await resolveRevision(ports, repository, ref);
  const { manifest } = await envelopeOf(ports, revision);
  const named = new Set(contentEntries(manifest).map((file) => file.recipe));
  for (const recipe of digests) if (!named.has(recipe)) throw new FerryError("RECIPE_UNKNOWN", { revision: revision.revision, recipe });
  return pooled(digests, STORE_WIDTH, async (digest) => {
    const recipe = await findRecipe(ports, digest);
    if (recipe === null) throw new FerryError("LOG_DAMAGED", { repository: repository.repository, problem: `recipe ${digest} is missing` });
    return recipe;
  });
}
