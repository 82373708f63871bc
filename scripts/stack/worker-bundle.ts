/**
 * Bundles the Worker by wrangler's own dry run, so that what runs here is what would be deployed, byte for byte. That takes seconds of
 * CPU, so the last bundle is kept, and used as long as no file that went into it has changed.
 */
import { execFile } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, extname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify, stripVTControlCharacters } from "node:util";
import * as z from "zod";
import { StackProblem } from "./problem.ts";

const ModuleType = z.enum(["esm", "text", "data", "wasm", "sourcemap"]);
type ModuleType = z.infer<typeof ModuleType>;

/** What wrangler.toml says that workerd must be told. */
const Settings = z.object({
  name: z.string(),
  compatibilityDate: z.string(),
  compatibilityFlags: z.array(z.string()),
  crons: z.array(z.string()),
  vars: z.record(z.string(), z.string()),
});

const Bundle = z.object({
  settings: Settings,
  mainModule: z.string(),
  /** Contents are text, or base64 of the types `data` and `wasm`. */
  modules: z.record(z.string(), z.object({ type: ModuleType, contents: z.string() })),
  /** Every file that went into it. */
  inputs: z.array(z.object({ path: z.string(), sizeBytes: z.number(), changedAtMs: z.number() })),
});
export type Bundle = z.infer<typeof Bundle>;

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

/** How far a file system's clock may lag behind ours. */
const CLOCK_GRAIN_MS = 50;
const CACHE = fileURLToPath(new URL("../../node_modules/.cache/ferry-worker", import.meta.url));

/** The bundle of the Worker that `configFile` describes. Throws StackProblem with wrangler's words when it can't be made. */
export async function bundleWorker(configFile: string): Promise<Bundle> {
  const kept = join(CACHE, `${createHash("sha256").update(configFile).digest("hex").slice(0, 16)}.json`);
  return readKept(kept) ?? keep(kept, await makeBundle(configFile));
}

function readKept(path: string): Bundle | null {
  if (!existsSync(path)) return null;
  const bundle = Bundle.safeParse(JSON.parse(readFileSync(path, "utf8")));
  return bundle.success && bundle.data.inputs.every((input) => isUnchanged(input)) ? bundle.data : null;
}

function isUnchanged({ path, sizeBytes, changedAtMs }: Bundle["inputs"][number]): boolean {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat !== undefined && stat.size === sizeBytes && stat.mtimeMs === changedAtMs;
}

/** Renamed into place, so that others read the old one or the new one. */
function keep(path: string, bundle: Bundle): Bundle {
  mkdirSync(CACHE, { recursive: true });
  const fresh = `${path}.${randomBytes(6).toString("hex")}`;
  writeFileSync(fresh, JSON.stringify(bundle));
  renameSync(fresh, path);
  return bundle;
}

async function makeBundle(configFile: string): Promise<Bundle> {
  const folder = mkdtempSync(join(tmpdir(), "ferry-worker-"));
  const beganAtMs = Date.now();
  try {
    const [settings] = await Promise.all([readSettings(configFile), runWrangler(configFile, folder)]);
    return { settings, ...readModules(folder), inputs: readInputs(configFile, folder, beganAtMs) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function runWrangler(configFile: string, folder: string): Promise<void> {
  const wrangler = fileURLToPath(new URL("../bin/wrangler.js", import.meta.resolve("wrangler")));
  const args = [wrangler, "deploy", "--dry-run", "--config", configFile, "--outdir", folder, "--metafile", join(folder, "meta.json")];
  const env = { ...process.env, WRANGLER_SEND_METRICS: "false", WRANGLER_LOG_PATH: join(folder, "logs"), NO_COLOR: "1", FORCE_COLOR: "0" };
  try {
    await promisify(execFile)(process.execPath, args, { env, cwd: dirname(configFile), timeout: 60_000 });
  } catch (cause) {
    throw new StackProblem(`it can't be bundled:\n${wordsOf(cause)}`, { cause });
  }
}

/** wrangler is loaded only here: it costs half a second of CPU. */
async function readSettings(configFile: string): Promise<z.infer<typeof Settings>> {
  const { unstable_readConfig: readConfig } = await import("wrangler");
  const config = readConfig({ config: configFile });
  return {
    name: config.name ?? "worker",
    compatibilityDate: config.compatibility_date ?? "",
    compatibilityFlags: config.compatibility_flags,
    crons: config.triggers.crons ?? [],
    vars: Object.fromEntries(
      Object.entries(config.vars).map(([name, value]) => [name, typeof value === "string" ? value : JSON.stringify(value)]),
    ),
  };
}

/** wrangler puts one script there, and the files that it imports as text or bytes. */
function readModules(folder: string): Pick<Bundle, "mainModule" | "modules"> {
  const modules: Bundle["modules"] = {};
  for (const name of readdirSync(folder)) {
    const type = TYPES[extname(name)];
    if (type === undefined) continue;
    modules[name] = { type, contents: readFileSync(join(folder, name)).toString(isBinary(type) ? "base64" : "utf8") };
  }
  const mainModule = Object.keys(modules).find((name) => modules[name]?.type === "esm");
  if (mainModule === undefined) throw new StackProblem("wrangler made no bundle");
  return { mainModule, modules };
}

export function isBinary(type: ModuleType): boolean {
  return type === "data" || type === "wasm";
}

/** The metafile's paths are relative to where wrangler ran. What was written while it ran may have come too late: it counts as changed. */
function readInputs(configFile: string, folder: string, beganAtMs: number): Bundle["inputs"] {
  const { inputs } = z
    .object({ inputs: z.record(z.string(), z.unknown()) })
    .parse(JSON.parse(readFileSync(join(folder, "meta.json"), "utf8")));
  const paths = [configFile, ...Object.keys(inputs).map((path) => resolve(dirname(configFile), path))];
  return paths.flatMap((path) => {
    const stat = statSync(path, { throwIfNoEntry: false });
    if (stat === undefined) return [];
    const isSettled = stat.mtimeMs < beganAtMs - CLOCK_GRAIN_MS;
    return [{ path, sizeBytes: stat.size, changedAtMs: isSettled ? stat.mtimeMs : 0 }];
  });
}

function wordsOf(cause: unknown): string {
  const { stdout = "", stderr = "" } = cause as { stdout?: string; stderr?: string };
  return stripVTControlCharacters(stderr.trim() || stdout.trim() || String(cause));
}
