/** What changed from one manifest to another: by file, and by chunk, as far as their bytes are shared. */
import type { Digest } from "./digest.ts";
import type { FileEntry, Manifest } from "./manifest.ts";
import type { Recipe } from "./recipe.ts";

/** `newBytes`: bytes of the chunks of `after` that no file of the whole earlier manifest has. */
export type FileChange =
  | { change: "added"; path: string; after: FileEntry; newBytes: number }
  | { change: "removed"; path: string; before: FileEntry }
  | { change: "changed"; path: string; before: FileEntry; after: FileEntry; newBytes: number };

export type ManifestDiff = {
  /** By path. */
  changes: FileChange[];
  unchangedFiles: number;
  /** Each distinct chunk counts once: in both manifests, only in the later, only in the earlier one. */
  bytes: { shared: number; new: number; gone: number };
};

/** Recipes by digest. */
export type Recipes = ReadonlyMap<Digest, Recipe>;

/** The recipes that a diff of these manifests needs. */
export function recipesIn(...manifests: readonly Manifest[]): Digest[] {
  const digests = new Set<Digest>();
  for (const { files } of manifests) {
    for (const file of files) if (file.mode !== "link" && file.recipe !== undefined) digests.add(file.recipe);
  }
  return [...digests];
}

/** Throws RangeError when a recipe is not given. */
export function diffManifests(before: Manifest, after: Manifest, recipes: Recipes): ManifestDiff {
  const [earlier, later] = [chunksIn(before.files, recipes), chunksIn(after.files, recipes)];
  const earlierFiles = new Map(before.files.map((file) => [file.path, file]));
  const changes: FileChange[] = [];
  for (const file of after.files) {
    const old = earlierFiles.get(file.path);
    earlierFiles.delete(file.path);
    if (old !== undefined && isSameFile(old, file)) continue;
    const newBytes = sumWithout(chunksIn([file], recipes), earlier);
    if (old === undefined) changes.push({ change: "added", path: file.path, after: file, newBytes });
    else changes.push({ change: "changed", path: file.path, before: old, after: file, newBytes });
  }
  const kept = changes.length;
  for (const [path, file] of earlierFiles) changes.push({ change: "removed", path, before: file });
  const newBytes = sumWithout(later, earlier);
  return {
    changes: changes.sort((a, b) => (a.path < b.path ? -1 : 1)),
    unchangedFiles: after.files.length - kept,
    bytes: { shared: sum(later) - newBytes, new: newBytes, gone: sumWithout(earlier, later) },
  };
}

export function isSameFile(a: FileEntry, b: FileEntry): boolean {
  if (a.mode === "link" || b.mode === "link") return a.mode === "link" && b.mode === "link" && a.target === b.target;
  return a.mode === b.mode && a.sha256 === b.sha256 && a.size === b.size;
}

/** Distinct chunks with their sizes in bytes. */
function chunksIn(files: readonly FileEntry[], recipes: Recipes): Map<Digest, number> {
  const chunks = new Map<Digest, number>();
  for (const file of files) {
    if (file.mode === "link") continue;
    if (file.chunk !== undefined) chunks.set(file.chunk, file.size);
    if (file.recipe === undefined) continue;
    const recipe = recipes.get(file.recipe);
    if (recipe === undefined) throw new RangeError(`the recipe ${file.recipe} is not given`);
    for (const [digest, sizeBytes] of recipe.chunks) chunks.set(digest, sizeBytes);
  }
  return chunks;
}

function sum(chunks: ReadonlyMap<Digest, number>): number {
  let bytes = 0;
  for (const size of chunks.values()) bytes += size;
  return bytes;
}

function sumWithout(chunks: ReadonlyMap<Digest, number>, known: ReadonlyMap<Digest, number>): number {
  let bytes = 0;
  for (const [digest, size] of chunks) if (!known.has(digest)) bytes += size;
  return bytes;
}
