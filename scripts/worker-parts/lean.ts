/** Builds a package anew for the Worker alone, without what it never uses: `dist/worker/<file>`, to which wrangler.toml has an alias. */
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build, type Plugin } from "esbuild";

export const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const FOLDER = join(ROOT, "dist", "worker");

/** `contents`: a module that exports what is used. `external`: packages that stay imported. `plugins`: what is left out. */
export type Lean = { file: string; contents: string; external: string[]; plugins: Plugin[] };

export async function buildLean({ file, contents, external, plugins }: Lean): Promise<void> {
  const { outputFiles } = await build({
    absWorkingDir: ROOT,
    stdin: { contents, resolveDir: ROOT },
    outfile: join(FOLDER, file),
    bundle: true,
    format: "esm",
    platform: "browser",
    conditions: ["workerd", "worker", "browser"],
    target: "es2024",
    external,
    plugins,
    write: false,
    legalComments: "none",
    logLevel: "warning",
  });
  const [made] = outputFiles;
  if (made === undefined) throw new Error(`esbuild made no ${file}`);
  await writeChanged(join(FOLDER, file), made.contents);
}

/** Renamed into place, so that builds at the same time read the old one or the new one. */
async function writeChanged(path: string, bytes: Uint8Array): Promise<void> {
  const old = await readFile(path).catch(() => null);
  if (old?.equals(bytes)) return;
  await mkdir(FOLDER, { recursive: true });
  const fresh = `${path}.${process.pid}.new`;
  await writeFile(fresh, bytes);
  await rename(fresh, path);
}
