/** Every setting of the server and of the Worker is told of. */
import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { pages, ROOT } from "../../support/markdown.ts";

test("every setting that the deployment reads is named in the pages", () => {
  const files = ["functions/config.ts", ...globSync("functions/node/*.ts", { cwd: ROOT })];
  const names = new Set(files.flatMap((file) => readFileSync(join(ROOT, file), "utf8").match(/(?<=^\s+)[A-Z][A-Z_]+[A-Z](?=:)/gm) ?? []));
  const told = pages()
    .flatMap(({ spans }) => spans)
    .join("\n");
  assert.ok(names.size > 15);
  assert.deepEqual(
    [...names].filter((name) => !new RegExp(`\\b${name}\\b`).test(told)),
    [],
  );
});
