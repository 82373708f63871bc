/** `npm run build`: what is shipped, in dist/. `console` is the web console; `ferry.mjs` is the command line in one file, for Node 20 and later. */
import { chmod, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type BuildOptions, build, type Plugin } from "esbuild";
import { buildConsole } from "./build-console.ts";
import { SOON } from "./cli/soon.ts";
import { CONSOLE_FOLDER } from "./stack/console-files.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

/** What a program, compiled as a function, is given beside what every CommonJS module has. */
const GIVEN = ["require", "exports", "module", "programUrl", "dataThread", "makeUndiciOfAll"];

type Texts = { soon: string; all: string; dataThread: string };

/**
 * Two programs in one file, each a text that is compiled when it is called: what pods wait for (scripts/cli/soon.ts), and all commands.
 * Reading code takes Node fifteen times as long as reading a text, and most of all that code is for other commands. Each program has
 * modules of its own, so no value of one is asked by the other what it is. A data thread that lacks something takes it from here
 * (scripts/node/make-undici-of-program.ts); only a person starts a command.
 */
const fileOf = ({ soon, all, dataThread }: Texts) => `#!/usr/bin/env node
import { createRequire } from "node:module";
import { compileFunction } from "node:vm";
import { workerData } from "node:worker_threads";
const require = createRequire(import.meta.url);
const dataThread = ${JSON.stringify(dataThread)};
const soon = ${JSON.stringify(soon)};
const all = ${JSON.stringify(all)};
function load(text, filename) {
  const module = { exports: {} };
  const program = compileFunction(text, ${JSON.stringify(GIVEN)}, { filename });
  program(require, module.exports, module, import.meta.url, dataThread, makeUndici);
  return module.exports;
}
let whole;
const loadAll = () => (whole ??= load(all, "ferry (all commands)"));
export const makeUndici = (connections) => loadAll().makeUndici(connections);
if (workerData?.role !== "modelferry data thread") {
  const isSoon = ${JSON.stringify(Object.keys(SOON))}.includes(process.argv[2]);
  (isSoon ? load(soon, "ferry (pull, push)") : loadAll()).run();
}
`;

const RUN = `export const run = () => import("./scripts/ferry.ts");`;

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

/** Writes the command line to `outfile`. Returns its size in bytes. */
export async function buildFerry(outfile: string): Promise<number> {
  const [soon, all, dataThread] = await Promise.all([soonProgram(), wholeProgram(), dataThreadProgram()]);
  await writeFile(outfile, fileOf({ soon, all, dataThread }), { mode: 0o755 });
  await chmod(outfile, 0o755);
  return (await stat(outfile)).size;
}

function soonProgram(): Promise<string> {
  return commandsOf(RUN, [builtinsByRequire, otherCommands]);
}

function wholeProgram(): Promise<string> {
  return commandsOf(`${RUN}\nexport { makeUndici } from "./scripts/node/make-undici.ts";`, [builtinsByRequire]);
}

function commandsOf(contents: string, plugins: Plugin[]): Promise<string> {
  return textOf({
    stdin: { contents, resolveDir: ROOT, sourcefile: "ferry.cjs", loader: "ts" },
    plugins,
    define: { "import.meta.url": "programUrl", "import.meta.dataThread": "dataThread" },
  });
}

/** The code of a data thread alone: a thread that read the whole file would take twice as long to start. */
function dataThreadProgram(): Promise<string> {
  return textOf({ entryPoints: ["scripts/node/data-thread.ts"], legalComments: "none", plugins: [undiciOfProgram] });
}

async function textOf(options: BuildOptions): Promise<string> {
  const { outputFiles } = await build({ ...SHARED, format: "cjs", write: false, ...options });
  return outputFiles?.[0]?.text ?? "";
}

/**
 * Node's own modules are asked for where they are used: as imports they would stand at the top of the file, and every command would load
 * those of all others. `require` is cheaper, too: an import reads all that a module exports, and some of node:http's is made when it is read.
 */
const builtinsByRequire: Plugin = {
  name: "builtins by require",
  setup: ({ onResolve, onLoad }) => {
    const isImport = (kind: string) => kind === "import-statement" || kind === "dynamic-import";
    onResolve({ filter: /^node:/ }, ({ path, kind }) => (isImport(kind) ? { path, namespace: "builtin" } : null));
    onLoad({ filter: /^/, namespace: "builtin" }, ({ path }) => ({ contents: `module.exports = require(${JSON.stringify(path)});` }));
  },
};

/** What pulls and pushes have in place of the other commands, and of the transport that few of them need. */
const otherCommands: Plugin = {
  name: "other commands",
  setup: ({ onResolve, onLoad }) => {
    const given: Record<string, string> = {
      "./make-undici.ts": "export const makeUndici = makeUndiciOfAll;",
      "./program.ts": `export function makeProgram() { throw new Error("not a command of this program"); }`,
    };
    onResolve({ filter: /^\.\/(?:make-undici|program)\.ts$/ }, ({ path }) => ({ path, namespace: "other commands" }));
    onLoad({ filter: /^/, namespace: "other commands" }, ({ path }) => ({ contents: given[path] ?? "", loader: "js" }));
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
