import assert from "node:assert/strict";
import { test } from "node:test";
import type { FileEntry } from "../../../shared/manifest.ts";
import type { Recipe } from "../../../shared/recipe.ts";
import { refName } from "../../support/memory-app.ts";
import { digestOf, entriesOf, type Files } from "../../support/pusher.ts";
import { SAFE_PATHS, UNSAFE_LINKS, UNSAFE_PATHS, UNSAFE_TREES } from "../../support/unsafe-paths.ts";
import { A, B, commit, failure, fileA, ground, MODEL, objects, sendRecipes } from "./bad-input-ground.ts";

const JOINED = "aaaabbbbbb";
const EMPTY = digestOf("");

const emptyFile = (path: string): FileEntry => ({ path, mode: "file", size: 0, sha256: EMPTY });

test(`${UNSAFE_PATHS.length} unsafe paths, as files and as links: each commit is refused, names the path, and stores nothing`, async () => {
  const here = await ground();
  const before = await objects(here);
  for (const { name, path } of UNSAFE_PATHS) {
    for (const entry of [emptyFile(path), { path, mode: "link", target: "x" }]) {
      const error = await failure(commit(here, [fileA("good"), entry]), name);
      assert.equal(error.code, "PATH_UNSAFE", `${name}: ${error.message}`);
      assert.equal(error.details["path"], path.slice(0, 1024));
    }
  }
  for (const { path, target } of UNSAFE_LINKS)
    assert.equal((await failure(commit(here, [{ path, mode: "link", target }]), target)).code, "PATH_UNSAFE", JSON.stringify(target));
  for (const { name, paths } of UNSAFE_TREES)
    assert.equal((await failure(commit(here, paths.map(emptyFile)), name)).code, "PATH_UNSAFE", name);
  assert.deepEqual(await objects(here), before);
  const revision = await commit(
    here,
    SAFE_PATHS.map(({ path }, at) => emptyFile(`${at}/${path}`)),
  );
  assert.equal(revision.fileCount, SAFE_PATHS.length);
});

const joined: Recipe = {
  v: 1,
  chunker: "ta1",
  size: 10,
  sha256: digestOf(JOINED),
  chunks: [
    [A, 4],
    [B, 6],
  ],
  extents: [
    [0, 0, 4],
    [1, 0, 6],
  ],
};
const MiB68 = 68 * 1024 * 1024;

const WRONG_RECIPES: [string, object][] = [
  ["extents that sum to less", { size: 11 }],
  ["extents that sum to more", { size: 9 }],
  ["no extents", { extents: [] }],
  ["a size of nothing", { size: 0 }],
  [
    "an extent of a chunk that is not listed",
    {
      extents: [
        [0, 0, 4],
        [2, 0, 6],
      ],
    },
  ],
  [
    "an extent that begins beyond its chunk",
    {
      extents: [
        [0, 0, 4],
        [1, 6, 6],
      ],
    },
  ],
  [
    "an extent that leaves its chunk",
    {
      extents: [
        [0, 0, 4],
        [1, 1, 6],
      ],
    },
  ],
  [
    "an offset that wraps around",
    {
      extents: [
        [0, 0, 4],
        [1, Number.MAX_SAFE_INTEGER, 6],
      ],
    },
  ],
  [
    "an empty extent",
    {
      extents: [
        [0, 0, 4],
        [1, 0, 0],
        [1, 0, 6],
      ],
    },
  ],
  [
    "a negative extent",
    {
      extents: [
        [0, 0, 12],
        [1, 0, -2],
      ],
    },
  ],
  ["a chunk that no extent uses", { size: 4, extents: [[0, 0, 4]] }],
  [
    "one chunk with two sizes",
    {
      chunks: [
        [A, 4],
        [A, 6],
      ],
    },
  ],
  [
    "one chunk twice",
    {
      chunks: [
        [A, 4],
        [A, 4],
      ],
      size: 8,
      extents: [
        [0, 0, 4],
        [1, 0, 4],
      ],
    },
  ],
  [
    "an empty chunk",
    {
      chunks: [
        [A, 4],
        [B, 0],
      ],
      size: 4,
      extents: [[0, 0, 4]],
    },
  ],
  ["a chunk larger than any", { chunks: [[A, MiB68 + 1]], size: MiB68 + 1, extents: [[0, 0, MiB68 + 1]] }],
  ["more chunks than a file of its size has", { ...manyChunks(3) }],
  ["a size of 2^53", { size: 2 ** 53 }],
  ["a version of tomorrow", { v: 2 }],
  ["a chunker with a path for a name", { chunker: "../x" }],
  ["a key of its own", { path: "../x" }],
  [
    "a pair instead of a triple",
    {
      extents: [
        [0, 4],
        [1, 6],
      ],
    },
  ],
  [
    "a fourth number",
    {
      extents: [
        [0, 0, 4, 0],
        [1, 0, 6, 0],
      ],
    },
  ],
];

function manyChunks(count: number): object {
  const digests = Array.from({ length: count }, (_, at) => digestOf(`chunk ${at}`));
  return { size: count, chunks: digests.map((digest) => [digest, 1]), extents: digests.map((_, at) => [at, 0, 1]) };
}

test(`${WRONG_RECIPES.length} recipes that do not add up are refused, and none is stored`, async () => {
  const here = await ground();
  const before = await objects(here);
  for (const [name, change] of WRONG_RECIPES) {
    const error = await failure(sendRecipes(here, [joined, { ...joined, ...change }]), name);
    assert.equal(error.code, "REQUEST_INVALID", name);
    assert.match(error.message, /body\.recipes\.1/, name);
  }
  assert.deepEqual(await objects(here), before);
});

test("a file whose entry and recipe or chunk disagree is refused, by its path, and nothing is committed", async () => {
  const here = await ground();
  const { recipes } = await sendRecipes(here, [joined]);
  const before = await objects(here);
  const whole = { path: "joined", mode: "file", size: 10, sha256: digestOf(JOINED), recipe: recipes[0] };
  const wrong: [string, object[]][] = [
    ["another size than the recipe", [{ ...whole, size: 11 }]],
    ["another digest than the recipe", [{ ...whole, sha256: A }]],
    ["a chunk and a recipe", [{ ...whole, chunk: A }]],
    ["neither", [{ ...whole, recipe: undefined }]],
    ["a chunk of another digest", [fileA("f", { chunk: B })]],
    ["an empty file with a chunk", [fileA("f", { size: 0 })]],
    ["an empty file of another digest", [fileA("f", { size: 0, chunk: undefined })]],
    ["one chunk with two sizes in two files", [fileA("f"), fileA("g", { size: 5 })]],
    ["one chunk with one size in a file and another in a recipe", [whole, fileA("f", { size: 3 })]],
    [
      "sizes that sum to 2^53",
      [
        { ...whole, size: 2 ** 52 },
        { ...whole, path: "other", size: 2 ** 52 },
      ],
    ],
  ];
  for (const [name, files] of wrong) {
    const error = await failure(commit(here, files), name);
    assert.equal(error.code, "MANIFEST_INVALID", `${name}: ${error.message}`);
  }
  assert.deepEqual(await objects(here), before);
  assert.equal((await commit(here, [whole, fileA("f")])).sizeBytes, 14);
});

test("a chunk has the size that was seen in the store, whatever an entry claims of it", async () => {
  const here = await ground();
  const error = await failure(commit(here, [fileA("f", { size: 400 })]), "400 bytes in a chunk of 4");
  assert.ok(error.code === "MANIFEST_INVALID" || error.code === "CHUNK_UNPROVEN", error.code);
});

test("what was not sent in this upload is not proven by it: chunks and recipes, also those of another upload", async () => {
  const here = await ground();
  const secret: Files = { secret: "only elsewhere" };
  const other = { ...here, upload: (await here.pusher.open(MODEL, refName("other"))).upload };
  const reservation = await here.pusher.reserve(MODEL, other.upload, secret);
  await here.pusher.send(reservation, secret);
  await here.pusher.confirm(MODEL, other.upload, reservation);
  const { recipes } = await sendRecipes(other, [joined]);
  const before = await objects(here);
  const whole = { path: "joined", mode: "file", size: 10, sha256: digestOf(JOINED), recipe: recipes[0] };
  assert.equal((await failure(commit(here, [whole]), "another upload's recipe")).code, "RECIPE_UNPROVEN");
  assert.equal((await failure(commit(here, [{ ...whole, recipe: EMPTY }]), "a recipe that is none")).code, "RECIPE_UNPROVEN");
  const stolen = await failure(commit(here, entriesOf(secret)), "another upload's chunk");
  assert.deepEqual([stolen.code, stolen.details["chunks"]], ["CHUNK_UNPROVEN", [digestOf("only elsewhere")]]);
  const reserved = await here.pusher.reserve(MODEL, here.upload, { c: "never sent" });
  assert.equal(reserved.have.length, 0);
  assert.equal((await failure(commit(here, entriesOf({ c: "never sent" })), "a chunk that was only reserved")).code, "CHUNK_UNPROVEN");
  assert.deepEqual(await objects(here), before);
});

test("confirming what is not there, or of another length, says so and proves nothing", async () => {
  const here = await ground();
  const confirm = (chunks: object[]) =>
    here.app.admin.call("confirm", { repository: MODEL, params: { upload: here.upload }, body: { attempt: 1, chunks } as never });
  const nowhere = digestOf("nowhere");
  const { missing } = await confirm([
    { sha256: nowhere, size: 7 },
    { sha256: A, size: 5 },
    { sha256: B, size: 6 },
  ]);
  assert.deepEqual(missing, [nowhere, A]);
  assert.equal(
    (await failure(commit(here, [{ ...fileA("f"), sha256: nowhere, chunk: nowhere, size: 7 }]), "nowhere")).code,
    "CHUNK_UNPROVEN",
  );
});

test("one claim with two sizes is refused before any ticket is given; md5 tickets need the md5", async () => {
  const here = await ground();
  const reserve = (body: object) =>
    here.app.admin.call("reserve", { repository: MODEL, params: { upload: here.upload }, body: { attempt: 1, ...body } as never });
  const fresh = digestOf("fresh");
  const two = await failure(
    reserve({
      chunks: [
        { sha256: fresh, size: 5 },
        { sha256: fresh, size: 6 },
      ],
    }),
    "two sizes",
  );
  assert.match(two.message, /two sizes/);
  const none = await failure(reserve({ mode: "md5", chunks: [{ sha256: fresh, size: 5 }] }), "no md5");
  assert.match(none.message, /has no md5/);
});
