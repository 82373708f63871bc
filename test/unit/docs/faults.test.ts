/** docs/faults.md tells for every fault of the plan which tests show what happens then: those tests are there, and say so themselves. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const FAULTS = 37;

type Row = { id: string; files: string[]; stores: string };

/** Rows of the table: the fault's number, and the files that its row names. */
function rows(): Row[] {
  const lines = readFileSync(`${root}docs/faults.md`, "utf8").split("\n");
  return lines.flatMap((text) => {
    const [, id] = /^\| (F\d+) \|/.exec(text) ?? [];
    if (id === undefined) return [];
    const files = [...text.matchAll(/`((?:test|scripts)\/[^`]+)`/g)].map(([, file = ""]) => file);
    return [{ id, files, stores: text.split(" | ")[3] ?? "" }];
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

test("each row says on which stores its tests run", () => {
  const onCeph = filesOnCeph();
  for (const { id, files, stores } of rows()) {
    const found = new Set(files.flatMap((file) => storesOf(file, onCeph)));
    assert.equal(stores, STORES.filter((store) => found.has(store)).join(", ") || "–", id);
  }
});

const STORES = ["local R2", "Ceph", "stand-ins", "memory"];

/** Test files that bring a Ceph up by themselves, and the suites that they run on it. */
function filesOnCeph(): Set<string> {
  const found = new Set<string>();
  for (const file of readdirSync(`${root}test`, { recursive: true, encoding: "utf8" }).map((name) => `test/${name}`)) {
    if (!file.endsWith(".test.ts") || !/\bCEPH\b|\bstartCeph\b/.test(textOf(file))) continue;
    found.add(file);
    for (const suite of importsOf(file)) if (suite.startsWith("test/suites/")) found.add(suite);
  }
  return found;
}

/** None: a model, or a test of Redis alone. */
function storesOf(file: string, onCeph: ReadonlySet<string>): string[] {
  if (file.startsWith("test/unit/")) return ["memory"];
  if (file.startsWith("test/models/") || file.startsWith("test/support/")) return [];
  const isLive = [file, ...importsOf(file)].some((each) =>
    /\bstart(?:Live|TestStack|TestS3|CrashStand)\b|\bFaultGround\b/.test(textOf(each)),
  );
  const isFaked = [file, ...importsOf(file)].some((each) => /fake-store|fake-registry/.test(textOf(each)));
  return [...(isLive ? ["local R2"] : []), ...(onCeph.has(file) ? ["Ceph"] : []), ...(isFaked && !isLive ? ["stand-ins"] : [])];
}

/** What a file takes from this repository, by its path. */
function importsOf(file: string): string[] {
  return [...textOf(file).matchAll(/from "(\.[^"]+\.ts)"/g)].map(([, path = ""]) => join(dirname(file), path));
}

function textOf(file: string): string {
  return existsSync(root + file) ? readFileSync(root + file, "utf8") : "";
}
