/** This machine: runtime, memory, disk, the settings file, proxies. */
import { stat, statfs } from "node:fs/promises";
import { availableParallelism, freemem } from "node:os";
import { GiB, MiB } from "../../shared/units.ts";
import type { Cli } from "./cli.ts";
import { configPath } from "./config.ts";
import type { Finding } from "./finding.ts";
import type { Host } from "./host.ts";
import { bytesText, counted } from "./text.ts";
import { VERSION } from "./version.ts";

/** Below these a transfer of usual files may fail, or crawl. */
const MEMORY_BYTES_MIN = 512 * MiB;
const DISK_BYTES_MIN = GiB;

export async function* examineMachine({ host }: Cli): AsyncGenerator<Finding> {
  yield { check: "program", state: "ok", detail: `ferry ${VERSION} on Node ${process.versions.node}, ${process.platform} ${process.arch}` };
  yield memoryFinding();
  yield await diskFinding();
  yield* await fileFindings(host);
  yield* proxyFindings(host);
}

function memoryFinding(): Finding {
  // Knows the limit of a container, where the runtime has it.
  const freeBytes = typeof process.availableMemory === "function" ? process.availableMemory() : freemem();
  const detail = `${bytesText(freeBytes)} free, ${counted(availableParallelism(), "core")}`;
  if (freeBytes >= MEMORY_BYTES_MIN) return { check: "memory", state: "ok", detail };
  return { check: "memory", state: "warn", detail, next: "Give the process more memory, or push and pull with --memory 128MiB." };
}

async function diskFinding(): Promise<Finding> {
  const { bavail, bsize } = await statfs(process.cwd());
  const freeBytes = bavail * bsize;
  const detail = `${bytesText(freeBytes)} free in this directory`;
  if (freeBytes >= DISK_BYTES_MIN) return { check: "disk", state: "ok", detail };
  return { check: "disk", state: "warn", detail, next: "Free space before you pull, or pull to another disk." };
}

async function fileFindings(host: Host): Promise<Finding[]> {
  const path = configPath(host);
  const mode = await stat(path).then(
    (found) => found.mode,
    () => 0,
  );
  if (process.platform === "win32" || (mode & 0o077) === 0) return [];
  return [{ check: "settings", state: "warn", detail: `others may read ${path}, which holds tokens`, next: `Run \`chmod 600 ${path}\`.` }];
}

function proxyFindings({ env }: Host): Finding[] {
  const name = ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"].find((key) => (env[key] ?? "") !== "");
  if (name === undefined) return [];
  return [
    {
      check: "proxy",
      state: "warn",
      detail: `${name} is set, but the endpoint is reached directly; only stores are reached through it`,
      next: "Allow direct connections to the endpoint.",
    },
  ];
}
