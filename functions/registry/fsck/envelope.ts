/** One living revision: its envelope, its recipes, and whether they name all that its files need. */
import type { Affected, BadChunk } from "../../../shared/contract/fsck.ts";
import type { RepositorySummary } from "../../../shared/contract/repositories.ts";
import { type Digest, sha256 } from "../../../shared/digest.ts";
import { FerryError } from "../../../shared/errors.ts";
import { type ContentEntry, contentEntries, manifestDigest } from "../../../shared/manifest.ts";
import { parseRecipe } from "../../../shared/recipe.ts";
import { isClaimed, noteClaimed, wrongClaims } from "../claimed.ts";
import { envelopeKey, recipeKey } from "../layout.ts";
import type { Ports, RevisionEntry } from "../ports.ts";
import { decodeRecord, Envelope } from "../records.ts";
import { badChunk, type News } from "./findings.ts";

/** Stands for all files of a revision. */
export const ALL_FILES = "*";

export type Examined = { placement: Envelope["placement"]; claimed: number; news: News[]; bad: BadChunk[] };

/** What is known of a recipe that was read in this step: sizes of its chunks, or what is wrong with it. */
type KnownRecipe = { size: number; sha256: Digest; chunks: ReadonlyMap<Digest, number> } | { problem: News };

/** Recipes of one step: revisions share most of them. */
export class Recipes {
  readonly #known = new Map<Digest, Promise<KnownRecipe>>();

  get(ports: Ports, digest: Digest): Promise<KnownRecipe> {
    const known = this.#known.get(digest) ?? readRecipe(ports, digest);
    this.#known.set(digest, known);
    return known;
  }

  get count(): number {
    return this.#known.size;
  }
}

export type Examination = { ports: Ports; recipes: Recipes; verifyClaimed: boolean };

export async function examine(
  { ports, recipes, verifyClaimed }: Examination,
  repository: RepositorySummary,
  entry: RevisionEntry,
): Promise<Examined> {
  const whole: Affected = { repository: repository.repository, revision: entry.revision, path: ALL_FILES };
  const envelope = await readEnvelope(ports, repository, entry);
  if ("problem" in envelope) return { placement: [], claimed: 0, news: [{ ...envelope.problem, affected: [whole] }], bad: [] };
  const { manifest, placement } = envelope;
  const places = new Map(placement.map(([digest, size]) => [digest, size]));
  const news: News[] = [];
  for (const file of contentEntries(manifest)) {
    const affected = [{ ...whole, path: file.path }];
    for (const problem of await fileProblems(ports, recipes, file, places)) news.push({ ...problem, affected });
  }
  const claimed = placement.filter(([, , tag]) => isClaimed(tag));
  const bad = claimed.length === 0 ? [] : await claimProblems(ports, entry, claimed, verifyClaimed);
  return { placement, claimed: claimed.length, news, bad };
}

async function readEnvelope(ports: Ports, { id }: RepositorySummary, entry: RevisionEntry): Promise<Envelope | { problem: News }> {
  const key = envelopeKey(entry.manifest, entry.attempt);
  const damaged = (detail: string) => ({ problem: { kind: "envelope.damaged", what: key, detail } satisfies News });
  const bytes = await ports.stores.home.bucket.get(key);
  if (bytes === null) return { problem: { kind: "envelope.missing", what: key, detail: "a living revision names it" } };
  try {
    const envelope = decodeRecord(Envelope, bytes, key);
    if ((await manifestDigest(envelope.manifest)) !== entry.manifest) return damaged("its manifest has another digest");
    if (envelope.repositoryId !== id) return damaged(`it is repository ${envelope.repositoryId}'s`);
    return envelope;
  } catch (error) {
    if (error instanceof FerryError && error.code === "LOG_DAMAGED") return damaged(String(error.details["problem"]));
    throw error;
  }
}

async function fileProblems(ports: Ports, recipes: Recipes, file: ContentEntry, places: ReadonlyMap<Digest, number>): Promise<News[]> {
  if (file.recipe === undefined) return file.chunk === undefined ? [] : placeProblems([[file.chunk, file.size]], places);
  const recipe = await recipes.get(ports, file.recipe);
  if ("problem" in recipe) return [recipe.problem];
  if (recipe.size !== file.size || recipe.sha256 !== file.sha256)
    return [{ kind: "recipe.damaged", what: file.recipe, detail: `it does not make ${file.path}` }];
  return placeProblems(recipe.chunks, places);
}

function placeProblems(chunks: Iterable<[Digest, number]>, places: ReadonlyMap<Digest, number>): News[] {
  const news: News[] = [];
  for (const [chunk, size] of chunks) {
    if (places.get(chunk) === size) continue;
    news.push({ kind: "chunk.unplaced", what: chunk, detail: "the envelope does not tell where it is, or tells another size" });
  }
  return news;
}

async function readRecipe(ports: Ports, digest: Digest): Promise<KnownRecipe> {
  const bytes = await ports.stores.home.bucket.get(recipeKey(digest));
  if (bytes === null) return { problem: { kind: "recipe.missing", what: digest, detail: "a living revision names it" } };
  if ((await sha256(bytes)) !== digest) return { problem: { kind: "recipe.damaged", what: digest, detail: "its digest is another" } };
  try {
    const recipe = parseRecipe(bytes);
    return { size: recipe.size, sha256: recipe.sha256, chunks: new Map(recipe.chunks) };
  } catch (error) {
    if (!(error instanceof FerryError) || error.code !== "RECIPE_INVALID") throw error;
    return { problem: { kind: "recipe.damaged", what: digest, detail: error.message } };
  }
}

/** What the job has told of an envelope's claimed chunks; one that it did not read yet is noted for it, if that is wanted. */
async function claimProblems(
  ports: Ports,
  { manifest, attempt }: RevisionEntry,
  claimed: Envelope["placement"],
  verifyClaimed: boolean,
): Promise<BadChunk[]> {
  const wrong = await wrongClaims(ports, { manifest, attempt });
  if (wrong === null && verifyClaimed) await noteClaimed(ports, { manifest, attempt });
  const detail = "its uploader gave the MD5 of other bytes";
  const bad = claimed.filter(([digest]) => wrong?.has(digest));
  return bad.map(([sha256, size, tag]) => badChunk({ sha256, size, tag }, "chunk.corrupt", detail));
}
