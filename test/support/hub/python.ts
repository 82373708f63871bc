/** Real Python clients for tests: a virtual environment for each set of packages, kept between runs; or the reason why there is none. */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const CACHE = fileURLToPath(new URL("../../../node_modules/.cache/hub-clients", import.meta.url));
const INSTALL_MS = 170_000;

export type Python = { bin(program: string): string };

/** @param packages as pip takes them. */
export function pythonWith(packages: readonly string[]): Python | string {
  const folder = join(CACHE, createHash("sha256").update(packages.join(" ")).digest("hex").slice(0, 12));
  const python = { bin: (program: string) => join(folder, "bin", program) };
  const done = join(folder, "installed");
  mkdirSync(CACHE, { recursive: true });
  return alone(`${folder}.lock`, () => (existsSync(done) ? python : install(packages, folder, done)));
}

/** Test files that run beside each other want the same environment. A lock that nobody gave back is broken. */
function alone<T>(lock: string, work: () => T): T {
  const endMs = Date.now() + 2 * INSTALL_MS;
  const isTaken = () => mkdirSync(lock, { recursive: true }) === undefined;
  while (isTaken() && Date.now() < endMs) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
  try {
    return work();
  } finally {
    rmSync(lock, { recursive: true, force: true });
  }
}

function install(packages: readonly string[], folder: string, done: string): Python | string {
  const python = { bin: (program: string) => join(folder, "bin", program) };
  rmSync(folder, { recursive: true, force: true });
  const made = spawnSync("python3", ["-m", "venv", folder], { encoding: "utf8", timeout: 60_000 });
  if (made.status !== 0) return "python3 makes no virtual environment here";
  const installed = spawnSync(python.bin("pip"), ["install", "-q", "--disable-pip-version-check", ...packages], {
    encoding: "utf8",
    timeout: INSTALL_MS,
  });
  if (installed.status !== 0) return `pip can't install ${packages.join(" ")} here`;
  writeFileSync(done, packages.join("\n"));
  return python;
}
