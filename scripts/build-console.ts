/**
 * Makes the web console's files: `dist/console` holds what is served, so that Workers (static assets) and Node (functions/node/console.ts)
 * serve the same. Files below /console/ only; the page itself is the app's answer to `/`.
 */
import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { FILE_HEADERS, HASHED_CACHING, HASHED_FOLDER, NAMED_CACHING } from "../functions/dashboard/policy.ts";
import { VERSION } from "../functions/services.ts";
import { openApi } from "../shared/contract/openapi.ts";
import { CONSOLE_FOLDER } from "./stack/console-files.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const APP = "functions/dashboard/app";
const BELOW = "console";

export type BuiltConsole = { files: number; firstLoadGzipBytes: number; totalGzipBytes: number };

/** Builds in memory, then writes what changed: stacks that start at the same time, or run already, never see half a file. */
export async function buildConsole(): Promise<BuiltConsole> {
  const files = await bundle();
  // Of the Worker, whose schemas can't tell of themselves (worker-parts/zod.ts).
  files.set("openapi.json", Buffer.from(JSON.stringify(openApi(VERSION))));
  files.set("_headers", Buffer.from(headersFile(files.keys())));
  for (const [name, bytes] of files) await writeChanged(join(CONSOLE_FOLDER, name), bytes);
  await removeOthers(new Set(files.keys()));
  const sizes = [...files].map(([name, bytes]) => ({ name, gzipBytes: gzipSync(bytes).length }));
  const sum = (some: typeof sizes) => some.reduce((bytes, file) => bytes + file.gzipBytes, 0);
  const first = new Set(firstLoad(files));
  return { files: files.size, firstLoadGzipBytes: sum(sizes.filter(({ name }) => first.has(name))), totalGzipBytes: sum(sizes) };
}

async function bundle(): Promise<Map<string, Uint8Array>> {
  const shared = {
    absWorkingDir: ROOT,
    outdir: CONSOLE_FOLDER,
    outbase: APP,
    bundle: true,
    format: "esm",
    platform: "browser",
    target: "es2024",
    minify: true,
    write: false,
    jsx: "automatic",
    jsxImportSource: "preact",
    // The page's policy forbids making code of text, which schemas would try as soon as they are made.
    banner: { js: "globalThis.__zod_globalConfig={jitless:true};" },
    legalComments: "none",
    logLevel: "warning",
  } as const;
  const [page, worker] = await Promise.all([
    build({
      ...shared,
      entryPoints: [{ in: `${APP}/main.tsx`, out: `${BELOW}/app` }],
      splitting: true,
      chunkNames: `${BELOW}/${HASHED_FOLDER}/[name]-[hash]`,
      loader: { ".svg": "copy" },
    }),
    build({ ...shared, entryPoints: [{ in: `${APP}/upload/hash-worker.ts`, out: `${BELOW}/hash-worker` }] }),
  ]);
  const made = [...page.outputFiles, ...worker.outputFiles].map(({ path, contents }): [string, Uint8Array] => {
    return [relative(CONSOLE_FOLDER, path), contents];
  });
  const still = ["app.css", "icon.svg"].map(async (name): Promise<[string, Uint8Array]> => {
    return [`${BELOW}/${name}`, await readFile(join(ROOT, APP, name))];
  });
  return new Map([...made, ...(await Promise.all(still))]);
}

/** What the page loads before it shows anything: its script, what that imports at once, its style and icon. */
function firstLoad(files: ReadonlyMap<string, Uint8Array>): string[] {
  const found = [`${BELOW}/app.js`];
  for (const name of found) {
    const text = Buffer.from(files.get(name) ?? []).toString();
    for (const [, path = ""] of text.matchAll(/(?:from|import)"(\.[^"]+)"/g)) {
      const target = join(dirname(name), path);
      if (!found.includes(target)) found.push(target);
    }
  }
  return [...found, `${BELOW}/app.css`, `${BELOW}/icon.svg`];
}

/** One rule for each caching: of two that match, values would be joined. https://developers.cloudflare.com/workers/static-assets/headers/ */
function headersFile(names: Iterable<string>): string {
  const rule = (path: string, headers: Record<string, string>) =>
    [path, ...Object.entries(headers).map(([name, value]) => `  ${name}: ${value}`), ""].join("\n");
  const named = [...names].filter((name) => !name.startsWith(`${BELOW}/${HASHED_FOLDER}/`));
  return [
    rule(`/${BELOW}/*`, FILE_HEADERS),
    rule(`/${BELOW}/${HASHED_FOLDER}/*`, { "cache-control": HASHED_CACHING }),
    ...named.map((name) => rule(`/${name}`, { "cache-control": NAMED_CACHING })),
  ].join("\n");
}

async function writeChanged(path: string, bytes: Uint8Array): Promise<void> {
  const old = await readFile(path).catch(() => null);
  if (old?.equals(bytes)) return;
  await mkdir(dirname(path), { recursive: true });
  const fresh = `${path}.${process.pid}.new`;
  await writeFile(fresh, bytes);
  await rename(fresh, path);
}

async function removeOthers(kept: ReadonlySet<string>): Promise<void> {
  for (const entry of await readdir(join(CONSOLE_FOLDER, BELOW), { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isFile() && !entry.name.endsWith(".new") && !kept.has(relative(CONSOLE_FOLDER, path))) await rm(path, { force: true });
  }
}

if (import.meta.main) {
  const began = performance.now();
  const { files, firstLoadGzipBytes, totalGzipBytes } = await buildConsole();
  const kib = (bytes: number) => `${(bytes / 1024).toFixed(1)} KiB`;
  const ms = Math.round(performance.now() - began);
  console.log(`${CONSOLE_FOLDER}: ${files} files in ${ms} ms; first load ${kib(firstLoadGzipBytes)} gzip, ${kib(totalGzipBytes)} in all`);
}
