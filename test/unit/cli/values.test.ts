import assert from "node:assert/strict";
import { test } from "node:test";
import {
  BytesValue,
  collected,
  countValue,
  LabelsValue,
  limitValue,
  RefOrNone,
  RevisionOrNone,
  revisionsOf,
  ScopeValue,
  SecondsValue,
  SinceValue,
  scopeText,
  TargetValue,
} from "../../../scripts/cli/values.ts";

const REVISION = "0123456789abcdef0123456789abcdef01234567";

const TARGETS = [
  ["team/llama", { repository: "team/llama", ref: null }],
  ["team/llama@main", { repository: "team/llama", ref: "main" }],
  ["team/llama@exp/small.v2", { repository: "team/llama", ref: "exp/small.v2" }],
  [`t/m@${REVISION}`, { repository: "t/m", ref: REVISION }],
] as const;

for (const [text, target] of TARGETS) {
  test(`${text} names a repository and a ref`, () => assert.deepEqual(TargetValue.parse(text), target));
}

const NOT_TARGETS = [
  "",
  "llama",
  "a/b/c",
  "/llama",
  "team/",
  "team/llama@",
  "team/llama@a@b",
  "team/llama@a//b",
  "te am/x",
  "../x",
  "team/..",
  "-a/b",
];

for (const text of NOT_TARGETS) {
  test(`'${text}' is refused as a target, with the text in the reason`, () => {
    const parsed = TargetValue.safeParse(text);
    assert.ok(!parsed.success);
    assert.match(parsed.error.issues[0]?.message ?? "", /is not namespace\/name or namespace\/name@ref/);
    assert.ok(parsed.error.issues[0]?.message.includes(`'${text}'`));
  });
}

const SIZES = [
  ["1", 1],
  ["512B", 512],
  ["4K", 4096],
  ["4KiB", 4096],
  ["4KB", 4000],
  ["1.5MiB", 1_572_864],
  ["100MB/s", 100_000_000],
  ["2G", 2_147_483_648],
  ["3 GB", 3_000_000_000],
  ["1TiB", 1_099_511_627_776],
  ["2T", 2_199_023_255_552],
  ["2TB", 2e12],
] as const;

for (const [text, bytes] of SIZES) test(`${text} is ${bytes} bytes`, () => assert.equal(BytesValue.parse(text), bytes));
for (const text of ["", "0", "-1", "12x", "MiB", "1e9", "1MiBs", "constructor", "99999999999G"]) {
  test(`'${text}' is refused as a size`, () => assert.ok(!BytesValue.safeParse(text).success));
}

const TIMES = [
  ["90s", 90],
  ["30m", 1800],
  ["12h", 43_200],
  ["30d", 2_592_000],
  ["4w", 2_419_200],
] as const;

for (const [text, seconds] of TIMES) test(`${text} is ${seconds} seconds`, () => assert.equal(SecondsValue.parse(text), seconds));
for (const text of ["", "30", "0d", "d", "-1d", "1y", "1.5h"]) {
  test(`'${text}' is refused as a time`, () => assert.ok(!SecondsValue.safeParse(text).success));
}

test("a count keeps to its bounds", () => {
  const between = countValue(1, 256);
  assert.equal(between.parse("256"), 256);
  for (const text of ["0", "257", "1.5", "x", "", "1e2"]) assert.ok(!between.safeParse(text).success, text);
});

test("labels keep everything after the first '='", () => {
  assert.deepEqual(LabelsValue.parse(["step=100", "run=a=b", "empty="]), { step: "100", run: "a=b", empty: "" });
  for (const text of ["step", "=x", ""]) assert.ok(!LabelsValue.safeParse([text]).success, text);
});

test("an expected revision is a whole one, or none", () => {
  assert.equal(RevisionOrNone.parse("none"), null);
  assert.equal(RevisionOrNone.parse(REVISION), REVISION);
  for (const text of ["", "main", REVISION.slice(1), REVISION.toUpperCase()]) assert.ok(!RevisionOrNone.safeParse(text).success, text);
});

test("a scope reads as it is written", () => {
  for (const text of ["team/*:pull,push", "*:admin", "a/b:pull:home,west"]) assert.equal(scopeText(ScopeValue.parse(text)), text);
  for (const text of ["", "team/*", "team/*:", "team/*:fly", "team/*:pull:", "a/b:pull:home:x", "a b:pull"]) {
    assert.ok(!ScopeValue.safeParse(text).success, text);
  }
});

test("a limit is its value or none", () => {
  const limit = limitValue(BytesValue);
  assert.deepEqual([limit.parse("4K"), limit.parse("none")], [4096, null]);
  assert.match(limit.safeParse("lots").error?.issues[0]?.message ?? "", /'lots' is not a size .*, or 'none'/);
});

test("what --if takes is a branch, a tag, a revision or none", () => {
  assert.deepEqual(
    ["v1", "exp/a", REVISION, "none"].map((text) => RefOrNone.parse(text)),
    ["v1", "exp/a", REVISION, null],
  );
  for (const text of ["", "two words", "a//b", "../x"]) assert.ok(!RefOrNone.safeParse(text).success, text);
});

const NOW_MS = Date.parse("2026-11-24T12:00:00Z");
for (const [text, iso] of [
  ["90m", "2026-11-24T10:30:00.000Z"],
  ["7d", "2026-11-17T12:00:00.000Z"],
  ["2026-11-20", "2026-11-20T00:00:00.000Z"],
  ["2026-11-20T10:05:12Z", "2026-11-20T10:05:12.000Z"],
  ["2026-11-20T10:05:12+08:00", "2026-11-20T02:05:12.000Z"],
  ["9999999w", "1970-01-01T00:00:00.000Z"],
] as const) {
  test(`${text} is the time ${iso}`, () => assert.equal(SinceValue.parse(text)(NOW_MS), iso));
}
for (const text of ["", "yesterday", "2026-02-30", "2026-11-20 10:05", "10:05", "-3d"]) {
  test(`'${text}' is refused as a time`, () => assert.ok(!SinceValue.safeParse(text).success));
}

test("revisions are of one repository, each named once, and no more than a request takes", () => {
  const at = (text: string) => TargetValue.parse(text);
  const other = REVISION.replaceAll("0", "a");
  assert.deepEqual(revisionsOf([at(`a/b@${REVISION}`), at(`a/b@${other}`), at(`a/b@${REVISION}`)]), {
    repository: "a/b",
    revisions: [REVISION, other],
  });
  const wrong = [[], [at("a/b")], [at("a/b@main")], [at(`a/b@${REVISION}`), at(`a/c@${REVISION}`)], Array(101).fill(at(`a/b@${REVISION}`))];
  for (const targets of wrong) assert.throws(() => revisionsOf(targets), { code: "USAGE_INVALID" });
});

test("a repeated flag keeps all its values in order", () => {
  assert.deepEqual(collected("b", collected("a", undefined)), ["a", "b"]);
});
