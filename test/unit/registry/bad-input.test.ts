import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { excessOf } from "../../../functions/registry/access.ts";
import type { Scope } from "../../../shared/contract/access.ts";
import { FerryError } from "../../../shared/errors.ts";
import type { FileEntry } from "../../../shared/manifest.ts";
import { matchesGlob, type RefName } from "../../../shared/names.ts";
import type { Recipe } from "../../../shared/recipe.ts";
import { type MemoryApp, memoryApp, operationId, refName, repositoryName } from "../../support/memory-app.ts";
import { digestOf, entriesOf, type Files, Pusher } from "../../support/pusher.ts";
import { SAFE_PATHS, UNSAFE_LINKS, UNSAFE_PATHS, UNSAFE_TREES } from "../../support/unsafe-paths.ts";

const MODEL = repositoryName("team/model");
const FILES: Files = { a: "aaaa", b: "bbbbbb" };
const [A, B] = [digestOf("aaaa"), digestOf("bbbbbb")];
const JOINED = "aaaabbbbbb";
const EMPTY = digestOf("");

/** A repository, and an upload of its branch with every chunk of FILES sent. */
type Ground = { app: MemoryApp; pusher: Pusher; upload: string };

async function ground(): Promise<Ground> {
  const app = await memoryApp({ modes: ["payload", "md5"] });
  const pusher = new Pusher(app.admin, app.stores.fetch);
  await pusher.create(MODEL);
  const { upload } = await pusher.open(MODEL);
  const reservation = await pusher.reserve(MODEL, upload, FILES);
  await pusher.send(reservation, FILES);
  await pusher.confirm(MODEL, upload, reservation);
  return { app, pusher, upload };
}

function commit({ app, upload }: Ground, files: unknown[], extra: object = {}) {
  const body = { operationId: operationId(), parent: null, files, ...extra } as never;
  return app.admin.call("commit", { repository: MODEL, params: { upload }, body });
}

function sendRecipes({ app, upload }: Ground, recipes: unknown[]) {
  return app.admin.call("sendRecipes", { repository: MODEL, params: { upload }, body: { recipes } as never });
}

async function failure(call: Promise<unknown>, said: string): Promise<FerryError> {
  const error: unknown = await call.then(
    () => assert.fail(`${said} was accepted`),
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof FerryError, `${said}: ${error}`);
  return error;
}

async function objects({ app }: Ground): Promise<string[]> {
  const { objects: found } = await app.stores.home.bucket.list("", { limit: 1000 });
  return found.map(({ key, sizeBytes }) => `${key} ${sizeBytes}`);
}

const emptyFile = (path: string): FileEntry => ({ path, mode: "file", size: 0, sha256: EMPTY });
const fileA = (path: string, change: object = {}) => ({ path, mode: "file", size: 4, sha256: A, chunk: A, ...change });

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

test("a chunk has the size that was seen in the store, whatever an entry claims of it", {
  expectFailure: "a proof does not keep the size: a commit of 4 stored bytes as 400 is acknowledged, and the index hands that size out",
}, async () => {
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

for (const word of ["constructor", "toString", "valueOf", "hasOwnProperty", "isPrototypeOf"] as RefName[]) {
  test(`a branch and a tag may be called ${word}, and are unknown until they are made`, async () => {
    const { app, pusher } = await ground();
    await pusher.push(MODEL, FILES);
    const act = () => ({ operationId: operationId() });
    const unknown = async (call: Promise<unknown>, code: string) => assert.equal((await failure(call, word)).code, code);
    await unknown(app.admin.call("resolve", { repository: MODEL, params: { ref: word } }), "REF_UNKNOWN");
    await unknown(app.admin.call("deleteTag", { repository: MODEL, params: { tag: word }, query: act() }), "TAG_UNKNOWN");
    await unknown(app.admin.call("deleteBranch", { repository: MODEL, params: { branch: word }, query: act() }), "BRANCH_UNKNOWN");
    const { revision } = await pusher.push(MODEL, FILES, { branch: word });
    assert.equal((await app.admin.call("resolve", { repository: MODEL, params: { ref: word } })).revision, revision.revision);
    await app.admin.call("deleteBranch", { repository: MODEL, params: { branch: word }, query: act() });
    await app.admin.call("setTag", { repository: MODEL, params: { tag: word }, body: { ref: "main", ...act() } });
    app.indexes.wipe();
    const { refs } = await app.admin.call("describeRepository", { repository: MODEL });
    assert.deepEqual([Object.keys(refs.branches), Object.keys(refs.tags)], [["main"], [word]]);
    await app.admin.call("deleteTag", { repository: MODEL, params: { tag: word }, query: act() });
  });
}

test("an operation id that was used for another act is refused, and that act is not done", async () => {
  const { app, pusher } = await ground();
  await pusher.push(MODEL, FILES);
  await pusher.push(MODEL, FILES, { branch: refName("other") });
  const used = operationId();
  const [query, operation] = [{ operationId: used }, { operationId: used }];
  await app.admin.call("setTag", { repository: MODEL, params: { tag: "v1" }, body: { ref: "main", ...operation } });
  const before = await app.admin.call("describeRepository", { repository: MODEL });
  const { upload, parent } = await pusher.open(MODEL);
  const acts: [string, () => Promise<unknown>][] = [
    [
      "setTag of another tag",
      () => app.admin.call("setTag", { repository: MODEL, params: { tag: "v2" }, body: { ref: "main", ...operation } }),
    ],
    ["deleteTag", () => app.admin.call("deleteTag", { repository: MODEL, params: { tag: "v1" }, query })],
    ["deleteBranch", () => app.admin.call("deleteBranch", { repository: MODEL, params: { branch: "other" }, query })],
    ["commit", () => pusher.commit(MODEL, upload, FILES, { parent, ...operation })],
  ];
  for (const [name, act] of acts) assert.match((await failure(act(), name)).message, /was used for another act/, name);
  assert.deepEqual(await app.admin.call("describeRepository", { repository: MODEL }), before);
  const [one, two] = [repositoryName("team/one"), repositoryName("team/two")];
  const system = { operationId: operationId() };
  await app.admin.call("createRepository", { body: { repository: one, ...system } });
  const again = await failure(
    app.admin.call("createRepository", { body: { repository: two, ...system } }),
    "createRepository of another name",
  );
  assert.equal(again.code, "REQUEST_INVALID");
  const removal = await failure(app.admin.call("deleteRepository", { repository: one, query: system }), "deleteRepository");
  assert.equal(removal.code, "REQUEST_INVALID");
});

test("an operation id that was used for a commit of other content is refused, not answered with that other revision", {
  expectFailure: "a commit's record is taken for its own by the operation id alone, whatever files, branch or parent were asked for",
}, async () => {
  const here = await ground();
  const operation = { operationId: operationId() };
  await commit(here, [fileA("f")], operation);
  assert.equal((await failure(commit(here, [fileA("another")], operation), "other content")).code, "REQUEST_INVALID");
});

test("one page of a list costs a few questions, however many repositories the caller may not see", {
  expectFailure: "as many as there are repositories, when the page is small",
}, async () => {
  let asked = 0;
  const app = await memoryApp({
    decorate: (ports) => ({
      ...ports,
      system: new Proxy(ports.system, {
        get(target, name) {
          if (name === "listRepositories") asked++;
          const found: unknown = Reflect.get(target, name);
          return typeof found === "function" ? found.bind(target) : found;
        },
      }),
    }),
  });
  for (let at = 0; at < 200; at++)
    await app.admin.call("createRepository", { body: { repository: repositoryName(`hidden/model-${at}`), operationId: operationId() } });
  const stranger = await app.member({ repositories: "mine/*", actions: ["pull"] });
  assert.deepEqual((await stranger.call("listRepositories", { query: { limit: 1 } })).repositories, []);
  assert.ok(asked <= 10, `${asked} questions`);
});

test("property: a scope that may be handed on never matches what its maker's scopes do not", () => {
  const part = fc.string({ unit: fc.constantFrom(..."ab*"), minLength: 1, maxLength: 4 });
  const glob = fc.oneof(
    { weight: 1, arbitrary: fc.constantFrom("*", "**") },
    { weight: 9, arbitrary: fc.tuple(part, part).map((parts) => parts.join("/")) },
  );
  const name = fc
    .tuple(...[1, 2].map(() => fc.string({ unit: fc.constantFrom(..."ab"), minLength: 1, maxLength: 4 })))
    .map((parts) => parts.join("/"));
  const scope = (repositories: string): Scope => ({ repositories, actions: ["pull"] });
  let given = 0;
  fc.assert(
    fc.property(
      fc.array(glob, { minLength: 1, maxLength: 3 }),
      glob,
      fc.array(name, { minLength: 8, maxLength: 8 }),
      (own, wanted, names) => {
        const caller = { tokenId: "t", name: "n", scopes: own.map(scope), expiresAt: null };
        if (excessOf(caller, [scope(wanted)]) !== null) return;
        given++;
        for (const one of names)
          if (matchesGlob(wanted, one))
            assert.ok(
              own.some((maker) => matchesGlob(maker, one)),
              `${wanted} of ${own} matches ${one}`,
            );
      },
    ),
    { numRuns: 5_000 },
  );
  assert.ok(given > 500, `${given} scopes were given`);
});
