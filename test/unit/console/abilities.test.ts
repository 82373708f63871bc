/** Whatever the console can do, the API and `ferry` can do: docs/console.md has a row for each route that pages call, and it is true. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
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

/** What the shared push calls for both. */
const UPLOADS = ["openUpload", "reserve", "confirm", "sendRecipes", "commit"];
const PAGES = new Set([
  ...called(sourcesOf("functions/dashboard/app")),
  ...called(sourcesOf("shared/health", "shared/costs")),
  ...UPLOADS,
  "usage",
]);

/** What pages ask for by `fetch` itself, and why no row stands for it. Of chunks the stores are asked, not the API. */
const FETCHED: Readonly<Record<string, string>> = {
  "/auth/logout": "the browser's session; `ferry logout` forgets its own token",
  "/openapi.json": "the document of the API, for who reads it",
  "${ROUTES.listEvents.path}${query}": "the feed, which has a row, as a stream: only browsers keep one",
};

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

/** The source of a file and of all of ours that it is made of. */
function wholeOf(file: string, seen = new Set<string>()): string {
  if (seen.has(file) || !existsSync(file)) return "";
  seen.add(file);
  const text = readFileSync(file, "utf8");
  const parts = [...text.matchAll(/from "(\.[^"]+\.ts)"/g)].map(([, part = ""]) => wholeOf(join(dirname(file), part), seen));
  return [text, ...parts].join("\n");
}

/** Routes that are called by files which define a command of this name, or by what they are made of. */
function calledBy(word: string): Set<string> {
  const files = readdirSync(root("scripts/cli"))
    .map((name) => join(root("scripts/cli"), name))
    .filter((file) => new RegExp(`command\\(\\s*"${word}[" ]`).test(readFileSync(file, "utf8")));
  return called(files.map((file) => wholeOf(file)).join("\n"));
}

test("every route that a page calls has a row, and no row is left over", () => {
  assert.ok(PAGES.size > 60);
  assert.deepEqual([...new Set(ROWS.map(({ route }) => route))].sort(), [...PAGES].sort());
  for (const { route } of ROWS) assert.ok(route in ROUTES, route);
});

test("pages ask for nothing by another way than the client's calls, but for what is known here", () => {
  const text = sourcesOf("functions/dashboard/app");
  const paths = [...text.matchAll(/\bfetch\(\s*["`]([^"`]+)["`]/g)].map(([, path = ""]) => path);
  assert.deepEqual(paths.sort(), Object.keys(FETCHED).sort());
  // A name that is reckoned would be seen by nobody here.
  assert.doesNotMatch(text, /\bclient\.call\(\s*[^"\s]/);
});

test("every row's command is there, with its flags, and calls the row's route", () => {
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
    const word = words.filter((one) => !one.startsWith("--")).at(-1) ?? "";
    assert.ok(calledBy(word).has(INSTEAD[route] ?? route), `ferry ${command} does not call ${route}`);
  }
});
