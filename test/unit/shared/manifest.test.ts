import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { CommitRequest } from "../../../shared/contract/uploads.ts";
import { Digest } from "../../../shared/digest.ts";
import { FerryError } from "../../../shared/errors.ts";
import {
  CHUNK_BYTES_MAX,
  contentEntries,
  FILES_MAX,
  FileEntry,
  makeManifest,
  manifestDigest,
  manifestText,
  parseManifest,
} from "../../../shared/manifest.ts";
import { LONGEST_PATHS, SAFE_LINKS, SAFE_PATHS, SAFE_TREES, UNSAFE_LINKS, UNSAFE_PATHS, UNSAFE_TREES } from "../../support/unsafe-paths.ts";

const EMPTY = Digest.parse("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
const A = Digest.parse("a".repeat(64));
const B = Digest.parse("b".repeat(64));

const emptyFile = (path: string): FileEntry => ({ path, mode: "file", size: 0, sha256: EMPTY });
const link = (path: string, target: string): FileEntry => ({ path, mode: "link", target });

function refuses(code: string, told: string): (error: unknown) => boolean {
  return (error) => error instanceof FerryError && error.code === code && error.message.includes(told);
}

const PLAIN = { noNullPrototype: true };
const digest = fc.string({ unit: fc.constantFrom(..."0123456789abcdef"), minLength: 64, maxLength: 64 }).map((text) => Digest.parse(text));
const mode = fc.constantFrom("file" as const, "executable" as const);
const path = fc.string({ unit: fc.constantFrom(..."abc模"), minLength: 1, maxLength: 6 }).map((name) => `folder/${name}`);
const entry: fc.Arbitrary<FileEntry> = fc.oneof(
  fc.record({ path, mode, size: fc.constant(0), sha256: fc.constant(EMPTY) }, PLAIN),
  fc
    .tuple(path, mode, fc.integer({ min: 1, max: CHUNK_BYTES_MAX }), digest)
    .map(([at, how, size, sha256]) => ({ path: at, mode: how, size, sha256, chunk: sha256 })),
  fc.record({ path, mode, size: fc.integer({ min: 1, max: 2 ** 40 }), sha256: digest, recipe: digest }, PLAIN),
  path.map((at) => link(at, "../folder/x")),
);
const files = fc.uniqueArray(entry, { selector: (file) => file.path, maxLength: 8 });

test("property: the digest does not depend on the order of files or keys, and every change of an entry changes it", async () => {
  await fc.assert(
    fc.asyncProperty(files, fc.nat(), async (entries, at) => {
      const manifest = makeManifest(entries);
      const turned = [...entries].reverse().map((file) => FileEntry.parse(Object.fromEntries(Object.entries(file).reverse())));
      assert.equal(manifestText(makeManifest(turned)), manifestText(manifest));
      const whole = await manifestDigest(manifest);
      assert.deepEqual(await parseManifest(JSON.parse(JSON.stringify({ files: turned, v: 1 })), whole), manifest);
      const [victim] = entries.slice(at % Math.max(1, entries.length));
      if (victim === undefined) return;
      const others = entries.filter((file) => file !== victim);
      for (const changed of [others, [...others, { ...victim, path: `${victim.path}x` }], [...others, emptyFile(`${victim.path}y`)]])
        assert.notEqual(await manifestDigest(makeManifest(changed)), whole);
    }),
  );
});

test("property: a parsed manifest has exactly the bytes that its digest covers, sorted by path", () => {
  fc.assert(
    fc.property(files, (entries) => {
      const manifest = makeManifest(entries);
      assert.deepEqual(JSON.parse(manifestText(manifest)), manifest);
      const paths = manifest.files.map((file) => file.path);
      assert.deepEqual(paths, [...paths].sort());
      assert.deepEqual(contentEntries(manifest).length, entries.filter((file) => file.mode !== "link").length);
    }),
  );
});

test("every unsafe path, tree and link is refused and named; their neighbours pass", () => {
  for (const { name, path: unsafe } of UNSAFE_PATHS)
    assert.throws(() => makeManifest([emptyFile(unsafe)]), refuses("PATH_UNSAFE", unsafe.slice(0, 1024)), name);
  for (const { path: at, target } of UNSAFE_LINKS)
    assert.throws(() => makeManifest([link(at, target)]), refuses("PATH_UNSAFE", at), target);
  for (const { name, paths } of UNSAFE_TREES) {
    assert.throws(() => makeManifest(paths.map(emptyFile)), refuses("PATH_UNSAFE", "the path"), name);
    assert.throws(() => makeManifest(paths.map((at) => link(at, "x"))), refuses("PATH_UNSAFE", "the path"), `${name}, as links`);
  }
  for (const { path: safe } of [...SAFE_PATHS, ...LONGEST_PATHS]) makeManifest([emptyFile(safe)]);
  for (const { path: at, target } of SAFE_LINKS) makeManifest([link(at, target)]);
  for (const { paths } of SAFE_TREES) makeManifest(paths.map(emptyFile));
});

test("a file can't be written through a link of the same manifest", () => {
  assert.throws(() => makeManifest([link("models", "other"), emptyFile("models/x")]), refuses("PATH_UNSAFE", "models/x"));
  assert.throws(() => makeManifest([link("Models", "other"), emptyFile("models/x")]), refuses("PATH_UNSAFE", "models/x"));
});

const CONTENT = { path: "f", mode: "file", sha256: A } as const;
const CONTRADICTIONS: [string, FileEntry][] = [
  ["an empty file with a chunk", { ...CONTENT, size: 0, sha256: EMPTY, chunk: EMPTY }],
  ["an empty file with a recipe", { ...CONTENT, size: 0, sha256: EMPTY, recipe: A }],
  ["an empty file of another digest", { ...CONTENT, size: 0 }],
  ["content that is nowhere", { ...CONTENT, size: 1 }],
  ["content that is in two places", { ...CONTENT, size: 1, chunk: A, recipe: B }],
  ["a chunk of another digest", { ...CONTENT, size: 1, chunk: B }],
  ["a chunk that is too large", { ...CONTENT, size: CHUNK_BYTES_MAX + 1, chunk: A }],
];

for (const [name, file] of CONTRADICTIONS) {
  test(`refuses ${name}`, () => {
    assert.throws(() => makeManifest([emptyFile("other"), file]), refuses("MANIFEST_INVALID", "f: "));
  });
}

test("sizes must add up to a number that JSON readers keep", () => {
  const half = { ...CONTENT, size: 2 ** 52, recipe: B };
  const rest = { ...half, path: "g", size: 2 ** 52 - 1 };
  makeManifest([half, rest]);
  assert.throws(() => makeManifest([half, { ...rest, size: 2 ** 52 }]), refuses("MANIFEST_INVALID", "2^53"));
});

const WRONG_ENTRIES: [string, unknown][] = [
  ["nothing", {}],
  ["no path", { mode: "file", size: 0, sha256: EMPTY }],
  ["no mode", { path: "f", size: 0, sha256: EMPTY }],
  ["another mode", { ...emptyFile("f"), mode: "device" }],
  ["a negative size", { ...CONTENT, size: -1, chunk: A }],
  ["a size with a fraction", { ...CONTENT, size: 1.5, chunk: A }],
  ["a size of 2^53", { ...CONTENT, size: 2 ** 53, recipe: B }],
  ["a size as text", { ...CONTENT, size: "1", chunk: A }],
  ["an endless size", { ...CONTENT, size: Number.POSITIVE_INFINITY, recipe: B }],
  ["a digest that names a path", { ...CONTENT, size: 1, chunk: "../../../etc/passwd" }],
  ["a digest with a prefix", { ...CONTENT, size: 1, recipe: `sha256:${A}` }],
  ["a digest in upper case", { ...CONTENT, size: 1, sha256: A.toUpperCase(), chunk: A }],
  ["a digest with a new line", { ...CONTENT, size: 1, recipe: `${A}\n` }],
  ["a link with content", { path: "f", mode: "link", target: "x", size: 0, sha256: EMPTY }],
  ["a link without a target", { path: "f", mode: "link" }],
  ["a file with a target", { ...emptyFile("f"), target: "x" }],
  ["a key of its own", { ...emptyFile("f"), owner: "me" }],
  ["no object", [EMPTY]],
];

test("what a server or a bucket gives is believed only when it is a manifest, a safe one, and of the digest asked for", async () => {
  for (const [name, wrong] of WRONG_ENTRIES) {
    assert.equal(FileEntry.safeParse(wrong).success, false, name);
    await assert.rejects(parseManifest({ v: 1, files: [wrong] }, A), refuses("MANIFEST_INVALID", "files"), name);
  }
  for (const wrong of [null, [], "x", {}, { v: 2, files: [] }, { v: 1 }, { v: 1, files: {} }, { v: 1, files: [], more: 1 }])
    await assert.rejects(parseManifest(wrong, A), refuses("MANIFEST_INVALID", ""), JSON.stringify(wrong));
  await assert.rejects(parseManifest({ v: 1, files: [emptyFile("f")] }, A), refuses("DIGEST_INVALID", A));
  await assert.rejects(parseManifest({ v: 1, files: [emptyFile("../f")] }, A), refuses("PATH_UNSAFE", "../f"));
  await assert.rejects(parseManifest({ v: 1, files: [link("f", "../../x")] }, A), refuses("PATH_UNSAFE", "outside the tree"));
});

test("a manifest full of errors is refused with a sentence, not with all of them", async () => {
  const error: unknown = await parseManifest({ v: 1, files: Array.from({ length: 1_000 }, () => ({})) }, A).catch(
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof FerryError && error.message.length < 1_000);
});

test(`a commit may name ${FILES_MAX} files, not one more`, () => {
  const request = (count: number) => ({
    operationId: "operation-0000001",
    parent: null,
    files: Array.from({ length: count }, (_, at) => link(`f${at}`, "x")),
  });
  assert.equal(CommitRequest.safeParse(request(FILES_MAX)).success, true);
  assert.equal(CommitRequest.safeParse(request(FILES_MAX + 1)).success, false);
});
