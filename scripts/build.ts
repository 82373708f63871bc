/** `npm run build`: what is shipped, in dist/. `ferry.mjs` is the command line in one file, for Node 20 and later. */
import { chmod, stat } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

/** Bundled CommonJS packages ask for Node's own modules by `require`, which modules don't have. */
const REQUIRE = `import { createRequire as makeRequire } from "node:module";\nconst require = makeRequire(import.meta.url);`;

/** What the file is depends on who starts it: a person, or itself, for a data thread (scripts/node/thread-mover.ts). */
const ENTRY = `#!/usr/bin/env node
import { workerData } from "node:worker_threads";
if (workerData?.role === "modelferry data thread") await import("./scripts/node/data-thread.ts");
else await import("./scripts/ferry.ts");
`;

/** Writes the bundle of the command line to `outfile`. Returns its size in bytes. */
export async function buildFerry(outfile: string): Promise<number> {
  await build({
    absWorkingDir: ROOT,
    stdin: { contents: ENTRY, resolveDir: ROOT, sourcefile: "ferry.mjs", loader: "ts" },
    outfile,
    bundle: true,
    platform: "node",
    target: "node20",
    format: "esm",
    banner: { js: REQUIRE },
    // Names stay, so that what FERRY_DEBUG=1 prints can be read.
    minifySyntax: true,
    minifyWhitespace: true,
    legalComments: "eof",
    logLevel: "warning",
  });
  await chmod(outfile, 0o755);
  return (await stat(outfile)).size;
}

if (import.meta.main) {
  const outfile = join(ROOT, "dist", "ferry.mjs");
  const sizeBytes = await buildFerry(outfile);
  console.log(`${outfile}: ${Math.round(sizeBytes / 1024)} KiB`);
}
