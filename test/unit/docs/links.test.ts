/** What the pages name is there: files, headings, commands with their flags, npm scripts, routes, settings. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import * as z from "zod";
import { makeProgram } from "../../../scripts/cli/program.ts";
import { ROUTES } from "../../../shared/contract/routes.ts";
import { commandProblem, shellWords } from "../../support/command-words.ts";
import { Page, pages, ROOT } from "../../support/markdown.ts";
import { memoryHost } from "../../support/memory-host.ts";

const ALL = pages();
const SHELL = /^(sh|bash|)( |$)/;

for (const page of ALL) {
  test(`${page.path}: every link leads to a file, every anchor to a heading`, () => {
    const relative = page.links.filter((link) => !/^[a-z]+:/.test(link));
    for (const link of relative) {
      const { path, anchor, exists } = page.target(link);
      assert.ok(exists, `${link}: there is no ${path}`);
      if (anchor !== null && path.endsWith(".md")) assert.ok(new Page(path).anchors.includes(anchor), `${link}: no such heading`);
    }
  });

  test(`${page.path}: every command of ferry that it names is one, with these flags`, () => {
    const program = makeProgram(memoryHost().host);
    for (const words of commandsOf(page)) {
      const problem = commandProblem(program, words);
      assert.equal(problem, null, `ferry ${words.join(" ")}`);
    }
  });
}

/** Of blocks of shell and of code within lines: what follows `ferry`. `ferry sync status|run` are two. */
function commandsOf(page: Page): string[][] {
  const lines = page.blocks.filter(({ info }) => SHELL.test(info)).flatMap(({ text }) => text.replace(/\\\n\s*/g, " ").split("\n"));
  const spans = page.spans.filter((span) => /^(npx |srun )?ferry /.test(span));
  return [...lines, ...spans].flatMap((line) =>
    [...line.matchAll(/(\$\()?(?<![\w/.@-])ferry ([^\n]*)/g)].flatMap(([, inside, rest = ""]) =>
      variants(inside ? rest.replace(/\).*/, "") : rest),
    ),
  );
}

function variants(rest: string): string[][] {
  const either = /^((?:[a-z-]+ )*)([a-z-]+(?:\|[a-z-]+)+)(.*)$/.exec(rest);
  if (either === null) return [shellWords(rest)];
  const [, before = "", choices = "", after = ""] = either;
  return choices.split("|").map((choice) => shellWords(before + choice + after));
}

test("the pages name many commands, so that the tests above look at something", () => {
  assert.ok(ALL.flatMap(commandsOf).length > 150);
});

test("every page of docs/ is linked from README or from a page that is", () => {
  const reached = new Set(["README.md"]);
  for (const path of reached) {
    const page = ALL.find((one) => one.path === path);
    for (const link of page?.links ?? []) if (!/^[a-z]+:/.test(link)) reached.add(page?.target(link).path.replace(/\/$/, "") ?? "");
  }
  const lost = ALL.map(({ path }) => path).filter(
    (path) => !reached.has(path) && !path.startsWith("docs/decisions/") && path !== "README.zh.md",
  );
  assert.deepEqual(lost, []);
  assert.ok(reached.has("docs/decisions"));
});

test("every `npm run` that the pages name is a script", () => {
  const { scripts } = z
    .object({ scripts: z.record(z.string(), z.string()) })
    .parse(JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")));
  for (const { path, text } of ALL)
    for (const [, name = ""] of text.matchAll(/npm run ([a-z][a-z-]*)/g)) assert.ok(name in scripts, `${path}: npm run ${name}`);
});

test("every call of the API that the pages name is a route", () => {
  const known = Object.values(ROUTES).map(({ method, path }) => [method, new RegExp(`^${path.replace(/:\w+/g, "[^/]+")}$`)] as const);
  for (const page of ALL) {
    for (const [, method = "", path = ""] of page.text.matchAll(/\b(GET|POST|PUT|DELETE) (\/api\/v1[^\s`?)"']*)/g)) {
      const isRoute = known.some(([verb, pattern]) => verb === method && pattern.test(path.replace(/[.,;:]$/, "")));
      assert.ok(isRoute, `${page.path}: ${method} ${path}`);
    }
  }
});
