/** docs/cli.md says what the program does: its helps, exit codes and variables are compared; UPDATE_GOLDEN=1 writes the helps. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import type { Command } from "commander";
import { EXITS } from "../../../scripts/cli/exit.ts";
import { makeProgram } from "../../../scripts/cli/program.ts";
import { isUpdating } from "../../support/golden.ts";
import { memoryHost } from "../../support/memory-host.ts";

const path = (relative: string) => fileURLToPath(new URL(`../../../${relative}`, import.meta.url));
const readDocs = () => readFileSync(path("docs/cli.md"), "utf8");

/** Without the flags that every command has; those stand once, in the help of `ferry`. */
function helps(command: Command, name: string): string {
  const own = command.helpInformation().replace(/\nGlobal Options:\n(?: .*\n)+/, "");
  const children = command.commands.filter((child) => child.name() !== "help");
  return `### ${name}\n\n\`\`\`text\n${own.trimEnd()}\n\`\`\`\n\n${children.map((child) => helps(child, `${name} ${child.name()}`)).join("")}`;
}

test("docs/cli.md ends with the help of every command", () => {
  const text = `## Commands\n\n${helps(makeProgram(memoryHost().host), "ferry").trimEnd()}\n`;
  if (isUpdating)
    writeFileSync(
      path("docs/cli.md"),
      readDocs().replace(/## Commands\n[\s\S]*$/, () => text),
    );
  assert.ok(readDocs().endsWith(text), "run this test with UPDATE_GOLDEN=1");
});

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
