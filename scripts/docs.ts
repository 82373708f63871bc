/**
 * Writes the parts of pages that the program knows better: `docs/cli.md` from the command table, `docs/api.md` from the route table,
 * `docs/errors.md` from the table of errors, the figures of README from docs/benchmarks. `npm run docs` after a change of one of
 * them; a test tells when it was forgotten.
 */
import { readFileSync, writeFileSync } from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { GENERATED } from "./docs/generated.ts";

for (const { file, rewrite } of GENERATED) {
  const path = fileURLToPath(new URL(`../${file}`, import.meta.url));
  const before = readFileSync(path, "utf8");
  const after = rewrite(before);
  if (after === before) continue;
  writeFileSync(path, after);
  process.stdout.write(`${file} was written anew\n`);
}
