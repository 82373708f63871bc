/** docs/cli.md says what the program does: its exit codes and variables are compared here, the helps in test/unit/docs. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { EXITS } from "../../../scripts/cli/exit.ts";

const path = (relative: string) => fileURLToPath(new URL(`../../../${relative}`, import.meta.url));
const readDocs = () => readFileSync(path("docs/cli.md"), "utf8");

test("docs/cli.md lists every exit code with its meaning", () => {
  const rows = [...readDocs().matchAll(/^\| (\d+) +\| (.*?) +\|$/gm)].map(([, code, meaning]) => ({ code: Number(code), meaning }));
  assert.deepEqual(
    rows,
    EXITS.map(({ code, meaning }) => ({ code, meaning })),
  );
});

test("docs/cli.md names every environment variable that the program reads", () => {
  const sources = readdirSync(path("scripts/cli")).map((file) => readFileSync(path(`scripts/cli/${file}`), "utf8"));
  const names = new Set(sources.join("\n").match(/(?<=env\[")\w+(?="\])/g));
  assert.ok(names.size > 5);
  for (const name of names) assert.ok(readDocs().includes(`\`${name}\``), name);
});
