/** How a stored file is made of chunks, checked against the digests that name it. */
import type { FerryClient } from "../../../../shared/client.ts";
import type { Digest } from "../../../../shared/digest.ts";
import { FerryError } from "../../../../shared/errors.ts";
import type { ContentEntry } from "../../../../shared/manifest.ts";
import { encodeRecipe, recipeDigest } from "../../../../shared/recipe.ts";
import type { Holder } from "./chunks.ts";

/** `length` bytes of the file from `fileOffset` are those of the chunk from `chunkOffset`. */
export type Extent = { fileOffset: number; length: number; chunk: Digest; chunkOffset: number };
/** `extents`: in file order, without gaps. `chunker`: null for a file of one chunk. */
export type Layout = { sizeBytes: number; chunks: Map<Digest, number>; extents: Extent[]; chunker: string | null };

/** Throws DIGEST_INVALID, RECIPE_INVALID on wrong answers. */
export async function layoutOf(
  client: FerryClient,
  { repository, revision }: Holder,
  entry: ContentEntry,
  signal: AbortSignal,
): Promise<Layout> {
  const { size, chunk, recipe: name } = entry;
  if (chunk !== undefined) {
    return {
      sizeBytes: size,
      chunks: new Map([[chunk, size]]),
      extents: [{ fileOffset: 0, length: size, chunk, chunkOffset: 0 }],
      chunker: null,
    };
  }
  if (name === undefined) return { sizeBytes: 0, chunks: new Map(), extents: [], chunker: null };
  const { recipes } = await client.call("readRecipes", { repository, params: { ref: revision }, body: { recipes: [name] } }, signal);
  const [recipe] = recipes;
  if (recipe === undefined || (await recipeDigest(encodeRecipe(recipe))) !== name) {
    throw new FerryError("DIGEST_INVALID", { what: "a recipe", expected: name });
  }
  if (recipe.size !== size) throw new FerryError("RECIPE_INVALID", { problem: `recipe ${name} is not that of ${entry.path}` });
  const extents: Extent[] = [];
  let fileOffset = 0;
  for (const [index, chunkOffset, length] of recipe.extents) {
    const [digest] = recipe.chunks[index] ?? [];
    if (digest !== undefined) extents.push({ fileOffset, length, chunk: digest, chunkOffset });
    fileOffset += length;
  }
  return { sizeBytes: size, chunks: new Map(recipe.chunks), extents, chunker: recipe.chunker };
}
