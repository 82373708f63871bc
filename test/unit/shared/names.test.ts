import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Digest } from "../../../shared/digest.ts";
import {
  matchesGlob,
  NamePart,
  OperationId,
  Ref,
  RefName,
  RepositoryGlob,
  RepositoryName,
  RevisionId,
  StoreId,
} from "../../../shared/names.ts";

const HEX40 = "0123456789abcdef0123456789abcdef01234567";
const HEX64 = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const PART96 = `a${"-a".repeat(47)}b`;

const GRAMMARS = {
  NamePart: {
    schema: NamePart,
    good: ["a", "A", "0", "a.b", "a_b", "a-b", "Llama-3.1-8B", "a_", "a-", PART96, "con", "git", "a.git.b"],
    bad: [
      "",
      ".",
      "..",
      ".a",
      "a.",
      "-a",
      "_a",
      "a..b",
      "a--b",
      "a.git",
      "a/b",
      "a b",
      "a\\b",
      "ä",
      "模型",
      "a%2e",
      "%2e%2e",
      "a~b",
      `${PART96}x`,
    ],
  },
  RepositoryName: {
    schema: RepositoryName,
    good: ["team/model", "a/b", "Qwen/Qwen3-0.6B", `${PART96}/${PART96}`],
    bad: [
      "",
      "team",
      "/",
      "team/",
      "/model",
      "a/b/c",
      "../model",
      "team/..",
      "team/.",
      "team//model",
      "team\\model",
      "team%2Fmodel",
      "team/a.git",
    ],
  },
  RefName: {
    schema: RefName,
    good: [
      "main",
      "v1.0",
      "feature/x",
      "a/b/c",
      "constructor",
      "HEAD",
      HEX40.slice(1),
      `${HEX40}0`,
      HEX40.toUpperCase(),
      `${"a/".repeat(63)}ab`,
    ],
    bad: [
      "",
      "/",
      "a/",
      "/a",
      "a//b",
      "../a",
      "a/../b",
      "a/.",
      ".a",
      "a b",
      HEX40,
      "__proto__",
      "a\\b",
      "a@{1}",
      "a~1",
      "a^",
      "a:b",
      `${"a/".repeat(64)}b`,
    ],
  },
  Ref: {
    schema: Ref,
    good: ["main", "feature/x", HEX40],
    bad: ["", "..", "%2e%2e", "a%2Fb", `${HEX40}\n`, "a?b", "a#b"],
  },
  RevisionId: {
    schema: RevisionId,
    good: [HEX40],
    bad: ["", HEX40.slice(1), `${HEX40}0`, HEX40.toUpperCase(), HEX64, `g${HEX40.slice(1)}`, `sha1:${HEX40}`],
  },
  Digest: {
    schema: Digest,
    good: [HEX64],
    bad: [
      "",
      HEX64.slice(1),
      `${HEX64}0`,
      HEX64.toUpperCase(),
      `sha256:${HEX64}`,
      `sha256:sha256:${HEX64}`,
      `sha256-${HEX64}`,
      "../../etc/passwd",
    ],
  },
  StoreId: {
    schema: StoreId,
    good: ["home", "a", "0", "oss-sh", "idc-ceph-2", "a".repeat(32)],
    bad: ["", "Home", "-a", "a-", "a_b", "a.b", "a/b", "../a", "a".repeat(33), "ä"],
  },
  OperationId: {
    schema: OperationId,
    good: ["a".repeat(16), "A_-0".repeat(16)],
    bad: ["", "a".repeat(15), "a".repeat(65), `${"a".repeat(16)}.`, `${"a".repeat(16)}/`, `${"a".repeat(16)}é`],
  },
  RepositoryGlob: {
    schema: RepositoryGlob,
    good: ["*", "**", "team/*", "*/model", "team/llama-*", "t*m/*l*", "team/model", "*/*"],
    bad: ["", "team", "team/", "/x", "a/b/c", "***", "team/?", "team/[a]", "team\\*", `a/${"b".repeat(200)}`],
  },
};

for (const [name, { schema, good, bad }] of Object.entries(GRAMMARS)) {
  test(`${name}: takes what people write, refuses look-alikes and everything with something before or behind it`, () => {
    for (const text of good) {
      assert.equal(schema.safeParse(text).success, true, JSON.stringify(text));
      for (const spoilt of [`${text}\n`, `\n${text}`, `${text}\0`, `${text} `, ` ${text}`, `${text}\r\n`, `${text}\u202e`, `${text}\\..`])
        assert.equal(schema.safeParse(spoilt).success, false, JSON.stringify(spoilt));
    }
    for (const text of bad) assert.equal(schema.safeParse(text).success, false, JSON.stringify(text));
    for (const value of [null, undefined, 0, true, {}, [good[0]], { toString: () => good[0] }])
      assert.equal(schema.safeParse(value).success, false, String(value));
  });
}

/** What a glob means, by trying every length for every '*'. */
function reference(glob: string, text: string): boolean {
  if (glob === "") return text === "";
  if (glob[0] === "*") return Array.from({ length: text.length + 1 }, (_, cut) => reference(glob.slice(1), text.slice(cut))).some(Boolean);
  return glob[0] === text[0] && reference(glob.slice(1), text.slice(1));
}

const letters = (alphabet: string, maxLength: number) => fc.string({ unit: fc.constantFrom(...alphabet), minLength: 1, maxLength });

test("property: a glob matches exactly what trying every length says, part by part", () => {
  let matches = 0;
  fc.assert(
    fc.property(letters("ab*", 7), letters("ab*", 7), letters("ab", 7), letters("ab", 7), (space, name, namespace, model) => {
      const expected = reference(space, namespace) && reference(name, model);
      if (expected) matches++;
      assert.equal(matchesGlob(`${space}/${name}`, `${namespace}/${model}`), expected);
    }),
    { numRuns: 5_000 },
  );
  assert.ok(matches > 100, `${matches} of 5000 matched`);
});

test("a star stays within its part; only a lone star crosses it; nothing else in a pattern is special", () => {
  for (const glob of ["*", "**"]) assert.ok(matchesGlob(glob, "team/model"));
  assert.ok(matchesGlob("*/*", "team/model"));
  assert.ok(matchesGlob("team/**", "team/model"));
  assert.ok(!matchesGlob("team/*", "team2/model"));
  assert.ok(!matchesGlob("te*", "team/model"));
  assert.ok(!matchesGlob("t.am/model", "team/model"));
  assert.ok(!matchesGlob("team/model", "Team/model"));
  assert.ok(!matchesGlob("team/model", "team/model2"));
  assert.ok(!matchesGlob("team/*l2", "team/model"));
});

test("patterns made to backtrack end at once: 10,000 of the worst on the longest names", () => {
  const glob = `${"a*".repeat(49)}b/${"*a".repeat(49)}*b`;
  const name = `${"a".repeat(96)}/${"a".repeat(96)}`;
  for (let i = 0; i < 10_000; i++) assert.equal(matchesGlob(glob, name), false);
});
