/** `npm run build`: what is shipped, in dist/. `console` is the web console; `ferry.mjs` is the command line in one file, for Node 20 and later. */
import { chmod, stat } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type BuildOptions, build, type Plugin } from "esbuild";
import { buildConsole } from "./build-console.ts";
import { CONSOLE_FOLDER } from "./stack/console-files.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

/** Bundled CommonJS packages ask for Node's own modules by `require`, which modules don't have. */
const REQUIRE = `import { createRequire as makeRequire } from "node:module";\nconst require = makeRequire(import.meta.url);`;

/** A data thread that lacks something takes it from here (scripts/node/make-undici-of-program.ts); only a person starts the command. */
const ENTRY = `#!/usr/bin/env node
import { workerData } from "node:worker_threads";
export const makeUndici = async (connections) => (await import("./scripts/node/make-undici.ts")).makeUndici(connections);
if (workerData?.role !== "modelferry data thread") await import("./scripts/ferry.ts");
`;

const SHARED = {
  absWorkingDir: ROOT,
  bundle: true,
  platform: "node",
  target: "node20",
  // Names stay, so that what FERRY_DEBUG=1 prints can be read.
  minifySyntax: true,
  minifyWhitespace: true,
  legalComments: "eof",
  logLevel: "warning",
} satisfies BuildOptions;

/** Writes the bundle of the command line to `outfile`. Returns its size in bytes. */
export async function buildFerry(outfile: string): Promise<number> {
  await build({
    ...SHARED,
    stdin: { contents: ENTRY, resolveDir: ROOT, sourcefile: "ferry.mjs", loader: "ts" },
    outfile,
    format: "esm",
    banner: { js: REQUIRE },
    plugins: [builtinsByRequire],
    define: { "import.meta.dataThread": JSON.stringify(await dataThread()) },
  });
  await chmod(outfile, 0o755);
  return (await stat(outfile)).size;
}

/** The code of a data thread alone: a thread that read the whole file would take twice as long to start. */
async function dataThread(): Promise<string> {
  const { outputFiles } = await build({
    ...SHARED,
    entryPoints: ["scripts/node/data-thread.ts"],
    format: "cjs",
    legalComments: "none",
    plugins: [undiciOfProgram],
    write: false,
  });
  return outputFiles[0]?.text ?? "";
}

/**
 * Node's own modules are asked for where they are used: as imports they would stand at the top of the file, and every command would load
 * those of all others. `require` is cheaper, too: an import reads all that a module exports, and some of node:http's is made when it is read.
 */
const builtinsByRequire: Plugin = {
  name: "builtins by require",
  setup: ({ onResolve, onLoad }) => {
    onResolve({ filter: /^node:/ }, ({ path, kind }) => (kind === "import-statement" ? { path, namespace: "builtin" } : null));
    onLoad({ filter: /^/, namespace: "builtin" }, ({ path }) => ({ contents: `module.exports = require(${JSON.stringify(path)});` }));
  },
};

const undiciOfProgram: Plugin = {
  name: "undici of the program",
  setup: ({ onResolve }) => {
    onResolve({ filter: /\/make-undici\.ts$/ }, ({ resolveDir }) => ({ path: join(resolveDir, "make-undici-of-program.ts") }));
  },
};

if (import.meta.main) {
  const { files, totalGzipBytes } = await buildConsole();
  console.log(`${CONSOLE_FOLDER}: ${files} files, ${Math.round(totalGzipBytes / 1024)} KiB gzip`);
  const outfile = join(ROOT, "dist", "ferry.mjs");
  const sizeBytes = await buildFerry(outfile);
  console.log(`${outfile}: ${Math.round(sizeBytes / 1024)} KiB`);
}
