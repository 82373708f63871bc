import assert from "node:assert/strict";
import { test } from "node:test";
import { ignorer } from "../../../functions/doors/huggingface/git-ignore.ts";

const CASES: [patterns: string, path: string, isIgnored: boolean][] = [
  ["", "a", false],
  ["# a\n\n", "a", false],
  ["*.log", "a.log", true],
  ["*.log", "deep/er/a.log", true],
  ["*.log", "a.logs", false],
  ["/a.txt", "a.txt", true],
  ["/a.txt", "b/a.txt", false],
  ["build/", "build/x/y", true],
  ["build/", "build", false],
  ["build/", "src/build/x", true],
  ["a/**/z", "a/z", true],
  ["a/**/z", "a/b/c/z", true],
  ["docs/*.md", "docs/a.md", true],
  ["docs/*.md", "x/docs/a.md", false],
  ["?.bin", "a.bin", true],
  ["?.bin", "ab.bin", false],
  ["*.bin\n!keep.bin", "keep.bin", false],
  ["node_modules", "node_modules/x", true],
];
for (const [patterns, path, isIgnored] of CASES)
  test(`${JSON.stringify(patterns)} ${isIgnored ? "ignores" : "keeps"} ${path}`, () => assert.equal(ignorer(patterns)(path), isIgnored));

test("a pattern of many stars is matched in no time", () => {
  assert.equal(ignorer(`${"*a".repeat(200)}b`)("a".repeat(5_000)), false);
});
