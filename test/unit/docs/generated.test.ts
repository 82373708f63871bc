/** The parts of pages that are made from tables are what the tables say. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { GENERATED } from "../../../scripts/docs/generated.ts";
import { ROUTES } from "../../../shared/contract/routes.ts";
import { ERRORS } from "../../../shared/errors.ts";
import { isUpdating } from "../../support/golden.ts";

const pathOf = (file: string) => fileURLToPath(new URL(`../../../${file}`, import.meta.url));
const read = (file: string) => readFileSync(pathOf(file), "utf8");

for (const { file, rewrite } of GENERATED) {
  test(`${file} is as its tables say`, () => {
    if (isUpdating) writeFileSync(pathOf(file), rewrite(read(file)));
    assert.equal(read(file), rewrite(read(file)), "run `npm run docs`");
  });
}

test("docs/api.md has every route once, and docs/errors.md every code", () => {
  const calls = [...read("docs/api.md").matchAll(/^\| `(GET|POST|PUT|DELETE) ([^`]+)` →/gm)].map(([, method, path]) => `${method} ${path}`);
  assert.equal(new Set(calls).size, calls.length);
  assert.equal(calls.length, Object.keys(ROUTES).length);
  const codes = [...read("docs/errors.md").matchAll(/^\| `([A-Z_0-9]+)` \|/gm)].map(([, code]) => code);
  assert.deepEqual(codes, Object.keys(ERRORS));
});
