/**
 * Makes `dist/worker/zod.js`: zod without its way to JSON Schema, 6 KiB of gzip less. Only /openapi.json needs that, and the Worker's is a file
 * among its assets (build-parts.ts), answered before the Worker is asked.
 */
import { globSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Plugin } from "esbuild";
import * as zod from "zod";
import { buildLean, ROOT } from "./lean.ts";

const noJsonSchema: Plugin = {
  name: "no JSON Schema",
  setup(build) {
    build.onLoad({ filter: /zod\/v4\/core\/(?:to-json-schema|json-schema-(?:processors|generator))\.js$/ }, async ({ path }) => {
      const source = await readFile(path, "utf8");
      const names = [...source.matchAll(/^export (?:const|function|class) (\w+)/gm)].map(([, name]) => name);
      if (names.length === 0) throw new Error(`${path} exports nothing that is known here`);
      return { contents: `const none = () => none;\n${names.map((name) => `export { none as ${name} };`).join("\n")}`, loader: "js" };
    });
  },
};

export async function buildZod(): Promise<void> {
  const names = await usedNames();
  await buildLean({ file: "zod.js", contents: `export { ${names.join(", ")} } from "zod";`, external: [], plugins: [noJsonSchema] });
}

/** The module with everything else in it; the Worker's sources take types from it and nothing more. */
const TYPES_ONLY = "core";

/** What the Worker's sources name as `z.…` and zod has as a value: all of it at once would hold what nobody uses. */
async function usedNames(): Promise<string[]> {
  const files = globSync("{functions,shared}/**/*.ts", { cwd: ROOT });
  const texts = await Promise.all(files.map((file) => readFile(join(ROOT, file), "utf8")));
  const named = texts.flatMap((text) => [...text.matchAll(/\bz\.(\w+)/g)].map(([, name = ""]) => name));
  return [...new Set(named)].filter((name) => Object.hasOwn(zod, name) && name !== TYPES_ONLY).sort();
}
