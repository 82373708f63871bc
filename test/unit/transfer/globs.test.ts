import assert from "node:assert/strict";
import { test } from "node:test";
import { pathFilter } from "../../../shared/transfer/globs.ts";

const CASES: [pattern: string, path: string, matches: boolean][] = [
  ["*.bin", "a.bin", true],
  ["*.bin", "deep/er/a.bin", true],
  ["*.bin", "a.bin.txt", false],
  ["a.bin", "sub/a.bin", true],
  ["sub", "sub/a/b.bin", true],
  ["sub/", "sub/a.bin", true],
  ["sub", "other/sub/a.bin", true],
  ["sub/a", "other/sub/a", false],
  ["./sub/a", "sub/a", true],
  ["sub/*.bin", "sub/a.bin", true],
  ["sub/*.bin", "sub/deep/a.bin", false],
  ["sub/**", "sub/deep/a.bin", true],
  ["sub/**/a.bin", "sub/a.bin", true],
  ["sub/**/a.bin", "sub/x/y/a.bin", true],
  ["**/a.bin", "a.bin", true],
  ["**", "anything/at all", true],
  ["model-0000?-of-*", "model-00001-of-00009.safetensors", true],
  ["model-0000?-of-*", "model-00012-of-00099.safetensors", false],
  ["[ab]", "[ab]", true],
  ["[ab]", "a", false],
];
for (const [pattern, path, matches] of CASES) {
  test(`the pattern ${pattern} ${matches ? "matches" : "does not match"} ${path}`, () => {
    assert.equal(pathFilter([pattern])(path), matches);
    assert.equal(pathFilter([], [pattern])(path), !matches);
  });
}

test("without include everything is wanted; exclude wins over include", () => {
  assert.equal(pathFilter()("a"), true);
  assert.equal(pathFilter(["*.bin"], ["secret*"])("secret.bin"), false);
});

test("a pattern made to be slow is not", () => {
  const slow = `${"**/*a*/".repeat(60)}b`;
  assert.equal(pathFilter([slow])(`${"aaaaaaaaaaaaaaaa/".repeat(31)}c`), false);
});

test("empty and very long patterns are refused", () => {
  for (const pattern of ["", "/", "./", "x".repeat(600)]) assert.throws(() => pathFilter([pattern]), { code: "USAGE_INVALID" });
});
