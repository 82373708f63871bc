import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { diffManifests, recipesIn } from "../../../shared/diff.ts";
import { Digest } from "../../../shared/digest.ts";
import { type FileEntry, type Manifest, makeManifest } from "../../../shared/manifest.ts";
import { Recipe } from "../../../shared/recipe.ts";
import { MiB } from "../../../shared/units.ts";

/** A file is a list of chunk letters; the chunk of each letter has its own size, below 1 MiB each, so that a recipe of two is allowed. */
type Letters = string;
const SIZES: Record<string, number> = { a: MiB, b: 2 * MiB, c: 3 * MiB, d: 4 * MiB, e: 5 * MiB };
const digest = (text: string) => Digest.parse(createHash("sha256").update(text).digest("hex"));
const sizeOf = (letters: Letters) => [...letters].reduce((sum, letter) => sum + (SIZES[letter] ?? 0), 0);

function manifestOf(files: Record<string, Letters | { link: string } | { executable: Letters }>): {
  manifest: Manifest;
  recipes: Map<Digest, Recipe>;
} {
  const recipes = new Map<Digest, Recipe>();
  const entries = Object.entries(files).map(([path, content]): FileEntry => {
    if (typeof content === "object" && "link" in content) return { path, mode: "link", target: content.link };
    const [letters, mode] = typeof content === "string" ? [content, "file" as const] : [content.executable, "executable" as const];
    const size = sizeOf(letters);
    const sha256 = letters.length === 0 ? digest("") : digest(letters);
    if (letters.length === 0) return { path, mode, size, sha256 };
    if (letters.length === 1) return { path, mode, size, sha256, chunk: sha256 };
    const name = digest(`recipe ${letters}`);
    recipes.set(name, recipeOf(letters, sha256));
    return { path, mode, size, sha256, recipe: name };
  });
  return { manifest: makeManifest(entries), recipes };
}

function recipeOf(letters: Letters, sha256: Digest): Recipe {
  const distinct = [...new Set(letters)];
  return Recipe.parse({
    v: 1,
    chunker: "test",
    size: sizeOf(letters),
    sha256,
    chunks: distinct.map((letter) => [digest(letter), SIZES[letter] ?? 0]),
    extents: [...letters].map((letter) => [distinct.indexOf(letter), 0, SIZES[letter] ?? 0]),
  });
}

function diffOf(before: Parameters<typeof manifestOf>[0], after: Parameters<typeof manifestOf>[0]) {
  const [a, b] = [manifestOf(before), manifestOf(after)];
  return diffManifests(a.manifest, b.manifest, new Map([...a.recipes, ...b.recipes]));
}

test("files are added, removed and changed, and chunks count once wherever they are", () => {
  const diff = diffOf({ keep: "ab", edit: "abc", gone: "e" }, { keep: "ab", edit: "abd", new: "bd" });
  assert.deepEqual(
    diff.changes.map(({ change, path }) => `${change} ${path}`),
    ["changed edit", "removed gone", "added new"],
  );
  assert.equal(diff.unchangedFiles, 1);
  assert.deepEqual(diff.bytes, { shared: 3 * MiB, new: 4 * MiB, gone: 8 * MiB });
});

test("a file whose chunks were all there before has no new bytes, also when it was a single chunk then", () => {
  const diff = diffOf({ one: "a", two: "bc" }, { one: "a", two: "bc", three: "acb" });
  assert.deepEqual(
    diff.changes.map((change) => (change.change === "added" ? change.newBytes : null)),
    [0],
  );
  assert.equal(diff.bytes.new, 0);
});

test("a change of the kind, or of a link's target, is a change", () => {
  const diff = diffOf(
    { run: "a", link: { link: "run" }, other: "b" },
    { run: { executable: "a" }, link: { link: "other" }, other: { link: "run" } },
  );
  assert.deepEqual(
    diff.changes.map(({ change, path }) => `${change} ${path}`),
    ["changed link", "changed other", "changed run"],
  );
});

test("a recipe that is not given is an error, not a wrong sum", () => {
  const { manifest } = manifestOf({ x: "ab" });
  assert.equal(recipesIn(manifest, manifest).length, 1);
  assert.throws(() => diffManifests(manifest, manifest, new Map()), RangeError);
});

const trees = fc.dictionary(fc.stringMatching(/^[a-f]$/), fc.stringMatching(/^[a-e]{0,4}$/), { maxKeys: 6 });

test("shared and new bytes are all of the later revision, shared and gone all of the earlier one; backwards, new is gone", () => {
  fc.assert(
    fc.property(trees, trees, (before, after) => {
      const distinct = (tree: Record<string, Letters>) => sizeOf([...new Set(Object.values(tree).join(""))].join(""));
      const { bytes, changes, unchangedFiles } = diffOf(before, after);
      const back = diffOf(after, before);
      assert.equal(bytes.shared + bytes.new, distinct(after));
      assert.equal(bytes.shared + bytes.gone, distinct(before));
      assert.deepEqual(back.bytes, { shared: bytes.shared, new: bytes.gone, gone: bytes.new });
      assert.equal(unchangedFiles + changes.filter(({ change }) => change !== "removed").length, Object.keys(after).length);
    }),
    { numRuns: 300 },
  );
});

test("nothing changes from a revision to itself", () => {
  fc.assert(
    fc.property(trees, (tree) => {
      const { changes, bytes } = diffOf(tree, tree);
      assert.deepEqual([changes, bytes.new, bytes.gone], [[], 0, 0]);
    }),
  );
});
