/**
 * The web console's files for a stack that starts: made (build-console.ts) when a file that may have gone into them has changed since,
 * or when they are not as they were made. Loading the builder and making them anew would take a second of CPU each time.
 */
import { createHash, randomBytes } from "node:crypto";
import { existsSync, globSync, mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
/** Also in wrangler.toml. */
export const CONSOLE_FOLDER = join(ROOT, "dist", "console");
/** openapi.json tells of the whole API. The lock stands for the packages. */
const SOURCES = ["functions/**/*", "shared/**/*", "scripts/build-console.ts", "package-lock.json"];
const MARK = join(ROOT, "node_modules", ".cache", "ferry-console");
/** How far a file system's clock may lag behind ours. */
const CLOCK_GRAIN_MS = 50;

export async function ensureConsole(): Promise<void> {
  const sources = stateOf(SOURCES, ROOT);
  if (existsSync(MARK) && readFileSync(MARK, "utf8") === markOf(sources)) return;
  const beganAtMs = Date.now();
  const { buildConsole } = await import("../build-console.ts");
  await buildConsole();
  // What was written while it was read may have come too late.
  if (sources.newestMs < beganAtMs - CLOCK_GRAIN_MS) keep(markOf(sources));
}

type State = { digest: string; newestMs: number };

function markOf(sources: State): string {
  return `${sources.digest} ${stateOf(["**/*"], CONSOLE_FOLDER).digest}\n`;
}

/** By names, sizes and times of change. */
function stateOf(patterns: readonly string[], folder: string): State {
  const hash = createHash("sha256");
  let newestMs = 0;
  for (const name of patterns.flatMap((pattern) => globSync(pattern, { cwd: folder }).sort())) {
    const stat = statSync(join(folder, name), { throwIfNoEntry: false });
    if (stat?.isFile() !== true) continue;
    hash.update(`${name}\0${stat.size}\0${stat.mtimeMs}\n`);
    newestMs = Math.max(newestMs, stat.mtimeMs);
  }
  return { digest: hash.digest("hex"), newestMs };
}

/** Renamed into place, so that others read the old one or the new one. */
function keep(mark: string): void {
  mkdirSync(dirname(MARK), { recursive: true });
  const fresh = `${MARK}.${randomBytes(6).toString("hex")}`;
  writeFileSync(fresh, mark);
  renameSync(fresh, MARK);
}
