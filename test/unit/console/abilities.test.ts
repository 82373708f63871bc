/** Whatever the console can do, the API and `ferry` can do: docs/console.md has a row for each route that pages call, and it is true. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import type { Command } from "commander";
import { makeProgram } from "../../../scripts/cli/program.ts";
import { ROUTES } from "../../../shared/contract/routes.ts";
import { memoryHost } from "../../support/memory-host.ts";

const root = (path: string) => fileURLToPath(new URL(`../../../${path}`, import.meta.url));
const sourcesOf = (...folders: string[]) =>
  folders
    .flatMap((folder) =>
      readdirSync(root(folder), { recursive: true, encoding: "utf8" })
        .filter((name) => /\.tsx?$/.test(name))
        .map((name) => readFileSync(join(root(folder), name), "utf8")),
    )
    .join("\n");
/** Names of routes in calls, whatever is between. */
const called = (text: string) => new Set([...text.matchAll(/\bcall\(\s*"(\w+)"/g)].map(([, name = ""]) => name));

/** What pages and commands alike are made of. */
const COMMON = sourcesOf("shared/transfer", "shared/health", "shared/costs") + readFileSync(root("shared/deployment-usage.ts"), "utf8");
const UPLOADS = ["openUpload", "reserve", "confirm", "sendRecipes", "commit"];
const PAGES = new Set([
  ...called(sourcesOf("functions/dashboard/app")),
  ...called(sourcesOf("shared/health", "shared/costs")),
  ...UPLOADS,
  "usage",
]);
const COMMANDS = new Set([...called(sourcesOf("scripts/cli")), ...called(COMMON)]);

/** `ferry diff` compares the manifests by itself, down to tensors. */
const INSTEAD: Readonly<Record<string, string>> = { diff: "manifest" };

const ROWS = [...readFileSync(root("docs/console.md"), "utf8").matchAll(/^\| [^|]*\| `(\w+)` \| `ferry ([^`]+)` \|$/gm)].map(
  ([, route = "", command = ""]) => ({ route, command }),
);

/** The command that the words name, and its flags; null when there is none. */
function commandOf(program: Command, words: readonly string[]): Command | null {
  const [name, ...rest] = words;
  if (name === undefined) return program;
  const found = program.commands.find((one) => one.name() === name);
  return found === undefined ? null : commandOf(found, rest);
}

test("every route that a page calls has a row, and no row is left over", () => {
  assert.ok(PAGES.size > 60);
  assert.deepEqual([...new Set(ROWS.map(({ route }) => route))].sort(), [...PAGES].sort());
  for (const { route } of ROWS) assert.ok(route in ROUTES, route);
});

test("every row's command is there, with its flags, and commands call the row's route", () => {
  const program = makeProgram(memoryHost().host);
  for (const { route, command } of ROWS) {
    const words = command.split(" ");
    const found = commandOf(
      program,
      words.filter((word) => !word.startsWith("--")),
    );
    assert.ok(found !== null, command);
    for (const flag of words.filter((word) => word.startsWith("--")))
      assert.ok(
        found.options.some(({ long }) => long === flag),
        command,
      );
    assert.ok(COMMANDS.has(INSTEAD[route] ?? route), `no command calls ${route}`);
  }
});
