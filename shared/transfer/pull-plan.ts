/** What a pull has to bring: the files of a manifest with the chunks of each, all checked against their digests. */
import type { FerryClient } from "../client.ts";
import { RECIPE_READ_PAGE_MAX } from "../contract/downloads.ts";
import type { RevisionSummary } from "../contract/repositories.ts";
import type { Digest } from "../digest.ts";
import { FerryError } from "../errors.ts";
import { type ContentEntry, checkedManifest, contentEntries, type FileEntry } from "../manifest.ts";
import { RevisionId } from "../names.ts";
import { encodeRecipe, type Recipe, recipeDigest } from "../recipe.ts";
import type { PullRequest } from "./contract.ts";
import { pool } from "./crew.ts";
import { pathFilter } from "./globs.ts";
import { shareOf } from "./parts-share.ts";
import type { WantedChunk, WantedFile } from "./ports.ts";

const RECIPE_PAGES_AT_ONCE = 4;

/** Which files of which revision. */
export type Meant = Pick<PullRequest, "repository" | "ref" | "include" | "exclude" | "share" | "approve">;

export type PullPlan = { revision: RevisionSummary; files: WantedFile[]; links: { path: string; target: string }[] };

/**
 * Throws FILE_UNKNOWN when `include` names nothing, and DIGEST_INVALID, MANIFEST_INVALID, RECIPE_INVALID on wrong answers.
 * @param expect told of the largest file's bytes while recipes are still on their way
 */
export async function planPull(
  client: FerryClient,
  request: Meant,
  signal: AbortSignal,
  expect: (largestBytes: number) => void = () => {},
): Promise<PullPlan> {
  const { repository, ref } = request;
  const answer = await client.call("manifest", { repository, params: { ref } }, signal);
  const { revision } = answer;
  // A revision id is a promise of content; a branch or a tag may point anywhere.
  if (RevisionId.safeParse(ref).success && revision.revision !== ref) {
    throw new FerryError("ANSWER_INVALID", { endpoint: client.endpoint, problem: `revision ${revision.revision} instead of ${ref}` });
  }
  const manifest = await checkedManifest(answer.manifest.files, revision.manifest);
  await request.approve?.(revision);
  const isWanted = pathFilter(request.include, request.exclude);
  const meant = manifest.files.filter((file) => isWanted(file.path));
  if (meant.length === 0 && request.include !== undefined && request.include.length > 0) {
    throw new FerryError("FILE_UNKNOWN", { revision: revision.revision, path: request.include.join(", ") });
  }
  const entries = request.share === undefined ? meant : shareOf(meant, request.share);
  const content = contentEntries({ v: 1, files: entries });
  expect(content.reduce((most, { size }) => Math.max(most, size), 0));
  const recipes = await readRecipes(client, { request, revision, digests: recipesOf(content) }, signal);
  const files = content.map((entry) => wantedFile(entry, recipes));
  markShared(files);
  return { revision, files, links: entries.filter(isLink) };
}

function isLink(entry: FileEntry): entry is FileEntry & { mode: "link" } {
  return entry.mode === "link";
}

function recipesOf(entries: ContentEntry[]): Digest[] {
  return [...new Set(entries.flatMap((entry) => (entry.recipe === undefined ? [] : [entry.recipe])))];
}

type RecipeReading = { request: Meant; revision: RevisionSummary; digests: Digest[] };

async function readRecipes(
  client: FerryClient,
  { request, revision, digests }: RecipeReading,
  signal: AbortSignal,
): Promise<Map<Digest, Recipe>> {
  const recipes = new Map<Digest, Recipe>();
  const { repository } = request;
  await pool(pagesOf(digests, RECIPE_READ_PAGE_MAX), { width: RECIPE_PAGES_AT_ONCE, signal }, async (page, stop) => {
    const answer = await client.call("readRecipes", { repository, params: { ref: revision.revision }, body: { recipes: page } }, stop);
    for (const [at, digest] of page.entries()) {
      const recipe = answer.recipes[at];
      if (recipe === undefined || (await recipeDigest(encodeRecipe(recipe))) !== digest) {
        throw new FerryError("DIGEST_INVALID", { what: "a recipe", expected: digest });
      }
      recipes.set(digest, recipe);
    }
  });
  return recipes;
}

function* pagesOf<T>(items: readonly T[], pageMax: number): Generator<T[]> {
  for (let at = 0; at < items.length; at += pageMax) yield items.slice(at, at + pageMax);
}

function wantedFile(entry: ContentEntry, recipes: ReadonlyMap<Digest, Recipe>): WantedFile {
  const { path, size, sha256 } = entry;
  return { path, sizeBytes: size, executable: entry.mode === "executable", sha256, chunks: wantedChunks(entry, recipes) };
}

function wantedChunks(entry: ContentEntry, recipes: ReadonlyMap<Digest, Recipe>): WantedChunk[] {
  const { size, sha256 } = entry;
  if (entry.chunk !== undefined) {
    return [{ sha256: entry.chunk, size, places: [{ chunkOffset: 0, fileOffset: 0, length: size }], shared: false }];
  }
  if (entry.recipe === undefined) return [];
  const recipe = recipes.get(entry.recipe);
  if (recipe === undefined || recipe.size !== size || recipe.sha256 !== sha256) {
    throw new FerryError("RECIPE_INVALID", { problem: `recipe ${entry.recipe} is not that of ${entry.path}` });
  }
  return placesOf(recipe);
}

/** From "what comes next in the file" to "where each chunk goes". Every chunk of a recipe has a place (shared/recipe.ts). */
function placesOf({ chunks, extents }: Recipe): WantedChunk[] {
  const wanted = chunks.map(([sha256, size]): WantedChunk => ({ sha256, size, places: [], shared: false }));
  let fileOffset = 0;
  for (const [index, chunkOffset, length] of extents) {
    wanted[index]?.places.push({ chunkOffset, fileOffset, length });
    fileOffset += length;
  }
  for (const chunk of wanted) chunk.places.sort((a, b) => a.chunkOffset - b.chunkOffset);
  return wanted;
}

function markShared(files: readonly WantedFile[]): void {
  const first = new Map<Digest, WantedChunk>();
  for (const chunk of files.flatMap((file) => file.chunks)) {
    const other = first.get(chunk.sha256);
    if (other === undefined) first.set(chunk.sha256, chunk);
    else other.shared = chunk.shared = true;
  }
}
