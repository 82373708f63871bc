/** docs/faults.md tells for every fault of the plan which tests show what happens then: those tests are there, and say so themselves. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const FAULTS = 37;

type Row = { id: string; files: string[]; text: string };

/** Rows of the table: the fault's number, and the files that its row names. */
function rows(): Row[] {
  const lines = readFileSync(`${root}docs/faults.md`, "utf8").split("\n");
  return lines.flatMap((text) => {
    const [, id] = /^\| (F\d+) \|/.exec(text) ?? [];
    return id === undefined ? [] : [{ id, text, files: [...text.matchAll(/`((?:test|scripts)\/[^`]+)`/g)].map(([, file = ""]) => file) }];
  });
}

/** Test files, and what they take from suites, that name faults by number in a title or an opening comment. */
function namesByFile(): Map<string, Set<string>> {
  const names = new Map<string, Set<string>>();
  for (const file of readdirSync(`${root}test`, { recursive: true, encoding: "utf8" })) {
    if (!/\.ts$/.test(file) || /\/(?:chunking|cli|access)\//.test(file)) continue;
    const found = readFileSync(`${root}test/${file}`, "utf8").matchAll(/\bF([1-9]|[12]\d|3[0-7])\b/g);
    for (const [name] of found) names.set(`test/${file}`, (names.get(`test/${file}`) ?? new Set()).add(name));
  }
  return names;
}

test("every fault of the plan has a row, once and in order", () => {
  assert.deepEqual(
    rows().map(({ id }) => id),
    Array.from({ length: FAULTS }, (_, at) => `F${at + 1}`),
  );
});

test("each row names tests that are there, and that name the fault", () => {
  const names = namesByFile();
  for (const { id, files } of rows()) {
    assert.ok(files.length > 0, `${id} names no file`);
    for (const file of files) {
      assert.ok(existsSync(root + file), `${id}: ${file} is not there`);
      if (file.startsWith("test/")) assert.ok(names.get(file)?.has(id), `${file} does not name ${id}`);
    }
  }
});

test("a test that names a fault stands in its row", () => {
  const listed = new Map(rows().map(({ id, files }) => [id, new Set(files)]));
  for (const [file, ids] of namesByFile()) {
    if (!/\/(?:faults|e2e|models|suites)\/|\/unit\/registry\//.test(file)) continue;
    for (const id of ids) assert.ok(listed.get(id)?.has(file), `${file} shows ${id}, and docs/faults.md does not say so`);
  }
});
