/** Texts that are kept in test/golden and must not change unnoticed. `UPDATE_GOLDEN=1` writes them anew. */
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";

export const isUpdating = process.env["UPDATE_GOLDEN"] === "1";

/** @param name below test/golden, such as `cli/errors.txt`. */
export function assertGolden(name: string, actual: string): void {
  const path = fileURLToPath(new URL(`../golden/${name}`, import.meta.url));
  if (isUpdating) {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, actual);
  }
  assert.equal(actual, readFileSync(path, "utf8"), `${name} differs; if that is meant, run the test with UPDATE_GOLDEN=1`);
}

/** Ids made of chance, told apart but the same in every run: the first 40 hex characters become `1111…`, the next `2222…`. */
export function stableIds(text: string): string {
  const seen = new Map<string, string>();
  return text.replace(/\b[0-9a-f]{16}(?:[0-9a-f]{24}(?:[0-9a-f]{24})?)?\b/g, (id) => {
    const known = seen.get(id) ?? String((seen.size + 1) % 10).repeat(id.length);
    seen.set(id, known);
    return known;
  });
}
