/** Bundles the Worker by wrangler's own dry run, so that what runs here is what would be deployed, byte for byte. */
import { execFile } from "node:child_process";
import { readdirSync, readFileSync, rmSync } from "node:fs";
import { extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify, stripVTControlCharacters } from "node:util";
import { StackProblem } from "./problem.ts";

export type ModuleType = "esm" | "text" | "data" | "wasm" | "sourcemap";
export type Bundle = { mainModule: string; modules: Record<string, { type: ModuleType; contents: string | Uint8Array<ArrayBuffer> }> };

/** wrangler's default rules. Source: https://developers.cloudflare.com/workers/wrangler/bundling/ */
const TYPES: Record<string, ModuleType> = {
  ".js": "esm",
  ".mjs": "esm",
  ".txt": "text",
  ".html": "text",
  ".sql": "text",
  ".bin": "data",
  ".wasm": "wasm",
  ".map": "sourcemap",
};

/** @param folder where wrangler writes; emptied first. Throws StackProblem with wrangler's words. */
export async function bundleWorker(configFile: string, folder: string): Promise<Bundle> {
  rmSync(folder, { recursive: true, force: true });
  const wrangler = fileURLToPath(new URL("../bin/wrangler.js", import.meta.resolve("wrangler")));
  const args = [wrangler, "deploy", "--dry-run", "--config", configFile, "--outdir", folder];
  const env = { ...process.env, WRANGLER_SEND_METRICS: "false", WRANGLER_LOG_PATH: join(folder, "logs"), NO_COLOR: "1", FORCE_COLOR: "0" };
  try {
    await promisify(execFile)(process.execPath, args, { env, timeout: 60_000 });
  } catch (cause) {
    throw new StackProblem(`it can't be bundled:\n${wordsOf(cause)}`, { cause });
  }
  return readBundle(folder);
}

/** wrangler names the main module after the config's `main`, and writes no other script beside it. */
function readBundle(folder: string): Bundle {
  const modules: Bundle["modules"] = {};
  for (const name of readdirSync(folder)) {
    const type = TYPES[extname(name)];
    if (type === undefined) continue;
    const bytes = readFileSync(join(folder, name));
    modules[name] = { type, contents: type === "data" || type === "wasm" ? new Uint8Array(bytes) : bytes.toString("utf8") };
  }
  const mainModule = Object.keys(modules).find((name) => modules[name]?.type === "esm");
  if (mainModule === undefined) throw new StackProblem("wrangler made no bundle");
  return { mainModule, modules };
}

function wordsOf(cause: unknown): string {
  const { stdout = "", stderr = "" } = cause as { stdout?: string; stderr?: string };
  return stripVTControlCharacters(stderr.trim() || stdout.trim() || String(cause));
}
