import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, test } from "node:test";
import fc from "fast-check";
import { canonical } from "../../shared/canonical.ts";
import { recipeOf } from "../../shared/chunking/recipe-of.ts";
import type { Digest } from "../../shared/digest.ts";
import { FerryError } from "../../shared/errors.ts";
import { CHUNK_BYTES_MAX } from "../../shared/manifest.ts";
import { encodeRecipe, parseRecipe, type Recipe, recipeDigest } from "../../shared/recipe.ts";
import { MiB } from "../../shared/units.ts";

const digest = (text: string) => createHash("sha256").update(text).digest("hex") as Digest;
const bytesOf = (text: string) => new TextEncoder().encode(text);

const RECIPE: Recipe = {
  v: 1,
  chunker: "ta1",
  size: 110,
  sha256: digest("file"),
  chunks: [
    [digest("a"), 60],
    [digest("b"), 40],
  ],
  extents: [
    [0, 0, 10],
    [1, 0, 40],
    [0, 10, 50],
    [0, 0, 10],
  ],
};
const TEXT = canonical(RECIPE);

function problemOf(bytes: Uint8Array): string {
  try {
    parseRecipe(bytes);
  } catch (error) {
    assert.ok(error instanceof FerryError && error.code === "RECIPE_INVALID", String(error));
    return String(error.details["problem"]);
  }
  return "none";
}

test("a recipe is read as it was written, and its bytes are its canonical JSON", async () => {
  const bytes = encodeRecipe(RECIPE);
  assert.equal(new TextDecoder().decode(bytes), TEXT);
  assert.deepEqual(parseRecipe(bytes), RECIPE);
  assert.equal(await recipeDigest(bytes), createHash("sha256").update(TEXT).digest("hex"));
});

test("so is that of an empty file", () => {
  const empty: Recipe = { ...RECIPE, size: 0, chunks: [], extents: [] };
  assert.deepEqual(parseRecipe(encodeRecipe(empty)), empty);
});

describe("refuses with the reason", () => {
  const without = (key: keyof Recipe) => ({ ...RECIPE, [key]: undefined });
  const [first, second] = RECIPE.chunks;
  const many = Array.from({ length: 3 }, (_, index): [Digest, number] => [digest(`${index}`), 1]);
  const cases: { name: string; recipe: object; problem: RegExp }[] = [
    { name: "another version", recipe: { ...RECIPE, v: 2 }, problem: /^v: / },
    { name: "an unknown key", recipe: { ...RECIPE, enc: "zstd" }, problem: /enc/ },
    { name: "a missing key", recipe: without("sha256"), problem: /^sha256: / },
    { name: "an empty chunker", recipe: { ...RECIPE, chunker: "" }, problem: /^chunker: / },
    { name: "a chunker with a line break", recipe: { ...RECIPE, chunker: "ta1\n" }, problem: /^chunker: / },
    { name: "a digest in upper case", recipe: { ...RECIPE, sha256: RECIPE.sha256.toUpperCase() }, problem: /^sha256: / },
    {
      name: "a chunk's digest that is a path",
      recipe: { ...RECIPE, chunks: [["../../etc/passwd", 60], second] },
      problem: /^chunks\.0\.0: /,
    },
    { name: "a chunk of no bytes", recipe: { ...RECIPE, chunks: [first, [digest("b"), 0]] }, problem: /^chunks\.1\.1: / },
    {
      name: "a chunk over 68 MiB",
      recipe: { ...RECIPE, chunks: [[digest("a"), CHUNK_BYTES_MAX + 1], second] },
      problem: /^chunks\.0\.1: /,
    },
    { name: "a chunk of three parts", recipe: { ...RECIPE, chunks: [[digest("a"), 60, 1], second] }, problem: /^chunks\.0/ },
    { name: "a chunk twice", recipe: { ...RECIPE, chunks: [first, [digest("a"), 40]] }, problem: /listed twice/ },
    { name: "a chunk that is not used", recipe: { ...RECIPE, size: 10, extents: [[1, 0, 10]] }, problem: /no extent uses chunk 0/ },
    {
      name: "more chunks than a file has",
      recipe: { ...RECIPE, size: 3, chunks: many, extents: [0, 1, 2].map((n) => [n, 0, 1]) },
      problem: /at most 2 chunks/,
    },
    { name: "an extent of no bytes", recipe: { ...RECIPE, extents: [...RECIPE.extents, [0, 0, 0]] }, problem: /^extents\.4\.2: / },
    { name: "a negative offset", recipe: { ...RECIPE, extents: [[0, -1, 10]] }, problem: /^extents\.0\.1: / },
    { name: "half a byte", recipe: { ...RECIPE, extents: [[0, 0.5, 10]] }, problem: /^extents\.0\.1: / },
    { name: "an offset beyond 2^53", recipe: { ...RECIPE, extents: [[0, 2 ** 53, 10]] }, problem: /^extents\.0\.1: / },
    { name: "an extent of no chunk", recipe: { ...RECIPE, extents: [[2, 0, 110]] }, problem: /no chunk 2/ },
    { name: "an extent that leaves its chunk", recipe: { ...RECIPE, extents: [[0, 51, 10]] }, problem: /leaves chunk 0/ },
    { name: "extents that are too short", recipe: { ...RECIPE, size: 111 }, problem: /don't sum/ },
    { name: "extents that are too long", recipe: { ...RECIPE, size: 109 }, problem: /don't sum/ },
    { name: "a size beyond 2^53", recipe: { ...RECIPE, size: 2 ** 53 }, problem: /^size: / },
    { name: "a negative size", recipe: { ...RECIPE, size: -1 }, problem: /^size: / },
    { name: "no object", recipe: [RECIPE], problem: /object/ },
  ];
  for (const { name, recipe, problem } of cases) {
    test(name, () => assert.match(problemOf(bytesOf(JSON.stringify(recipe))), problem));
  }
});

describe("refuses other bytes for the same recipe", () => {
  const { chunker, ...rest } = RECIPE;
  for (const [name, text] of [
    ["keys in another order", JSON.stringify({ ...rest, chunker })],
    ["spaces", TEXT.replace(":", ": ")],
    ["a line break at the end", `${TEXT}\n`],
    ["a byte order mark", `\ufeff${TEXT}`],
    ["a key twice", TEXT.replace('"v":1', '"v":1,"v":1')],
    ["1.0", TEXT.replace('"v":1', '"v":1.0')],
    ["1e0", TEXT.replace('"v":1', '"v":1e0')],
    ["-0", TEXT.replace(",0,40]", ",-0,40]")],
    ["an escape", TEXT.replace("ta1", "\\u0074a1")],
    ["__proto__", TEXT.replace("{", '{"__proto__":{},')],
  ] as const) {
    test(name, () => {
      assert.notEqual(text, TEXT);
      assert.notEqual(problemOf(bytesOf(text)), "none");
    });
  }

  test("bytes that are no JSON, or no text", () => {
    assert.match(problemOf(bytesOf("{")), /JSON/);
    assert.match(problemOf(bytesOf("[".repeat(100_000))), /JSON/);
    assert.match(problemOf(Uint8Array.of(0x22, 0xff, 0x22)), /UTF-8/);
  });
});

test("any valid recipe is read as it was written", () => {
  const chunk = fc.tuple(
    fc.nat(1e9).map((n) => digest(`${n}`)),
    fc.integer({ min: MiB, max: CHUNK_BYTES_MAX }),
  );
  const chunks = fc.uniqueArray(chunk, { selector: ([name]) => name, maxLength: 50 });
  fc.assert(
    fc.property(chunks, (chunks) => {
      const size = chunks.reduce((sum, [, sizeBytes]) => sum + sizeBytes, 0);
      const extents = chunks.map(([, sizeBytes], index): [number, number, number] => [index, 0, sizeBytes]);
      const recipe: Recipe = { ...RECIPE, size, chunks, extents };
      assert.deepEqual(parseRecipe(encodeRecipe(recipe)), recipe);
      assert.equal(new TextDecoder().decode(encodeRecipe(recipe)), canonical(recipe));
    }),
    { numRuns: 50 },
  );
});

describe("a plan and the digests of its chunks make a recipe", () => {
  const ranges = (...list: [number, number][]) => ({ sizeBytes: list.reduce((sum, [, length]) => sum + length, 0), ranges: list });
  const file = digest("file");

  test("extents are in file order, and join where file and chunk go on", () => {
    const plan = { chunker: "ta1", sizeBytes: 100, chunks: [ranges([0, 10], [10, 5], [60, 40]), ranges([15, 45])] };
    assert.deepEqual(recipeOf(plan, [digest("a"), digest("b")], file), {
      v: 1,
      chunker: "ta1",
      size: 100,
      sha256: file,
      chunks: [
        [digest("a"), 55],
        [digest("b"), 45],
      ],
      extents: [
        [0, 0, 15],
        [1, 0, 45],
        [0, 15, 40],
      ],
    });
  });

  test("chunks of one digest become one", () => {
    const plan = { chunker: "ta1", sizeBytes: 30, chunks: [ranges([0, 10]), ranges([10, 10]), ranges([20, 10])] };
    const { chunks, extents } = recipeOf(plan, [digest("a"), digest("b"), digest("a")], file);
    assert.deepEqual(
      chunks.map(([name]) => name),
      [digest("a"), digest("b")],
    );
    assert.deepEqual(
      extents.map(([index]) => index),
      [0, 1, 0],
    );
  });

  for (const [name, digests, chunks] of [
    ["a digest too few", [digest("a")], [ranges([0, 10]), ranges([10, 10])]],
    ["one digest for two sizes", [digest("a"), digest("a")], [ranges([0, 9]), ranges([9, 11])]],
    ["a gap", [digest("a"), digest("b")], [ranges([0, 9]), ranges([10, 10])]],
    ["an overlap", [digest("a"), digest("b")], [ranges([0, 11]), ranges([10, 10])]],
    ["an end too early", [digest("a")], [ranges([0, 19])]],
  ] as const) {
    test(`but not with ${name}`, () => {
      const plan = { chunker: "ta1", sizeBytes: 20, chunks };
      assert.throws(
        () => recipeOf(plan, digests, file),
        (error) => error instanceof FerryError && error.code === "RECIPE_INVALID",
      );
    });
  }
});
