/**
 * The S3 door beside the Node server: an agent as a child process, which speaks with the server as any other. Settings come from the
 * environment: S3_LISTEN (host:port, or a port of this machine alone; without it there is no door), S3_TOKEN (may pull everything),
 * S3_FOLDER (for the cache and what is not committed yet), S3_CACHE (its size, default 50GiB), S3_SPOOL (default 100GiB), S3_KEY_FILE,
 * S3_ENDPOINT (where the server is; default: by PORT on this machine).
 */
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import * as z from "zod";
import { FerryError } from "../../shared/errors.ts";
import type { Log } from "./log.ts";

const AGAIN_MS = 5_000;

const Settings = z.object({
  S3_LISTEN: z.string().min(1),
  S3_TOKEN: z.string().min(1),
  S3_FOLDER: z.string().min(1),
  S3_CACHE: z.string().min(1).default("50GiB"),
  S3_SPOOL: z.string().min(1).optional(),
  S3_KEY_FILE: z.string().min(1).optional(),
  S3_ENDPOINT: z.string().min(1).optional(),
  PORT: z.string().min(1).default("8787"),
  TLS_CERT_FILE: z.string().optional(),
});

type Env = Readonly<Record<string, string | undefined>>;
/** What an agent is started with. */
export type S3Beside = { argv: string[]; env: Record<string, string> };

/** Null: no door is wanted. Throws CONFIG_INVALID. */
export function s3Beside(env: Env): S3Beside | null {
  if ((env["S3_LISTEN"] ?? "") === "") return null;
  const parsed = Settings.safeParse(env);
  if (!parsed.success) throw invalid(parsed.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`).join("; "));
  const { S3_TOKEN: token, S3_ENDPOINT: named, PORT: port, ...settings } = parsed.data;
  if (named === undefined && (port === "0" || settings.TLS_CERT_FILE !== undefined))
    throw invalid("S3_ENDPOINT: the door can't know where the server is");
  const argv = ["agent", "--listen", "off", "--s3", settings.S3_LISTEN, "--cache", settings.S3_FOLDER, "--max-bytes", settings.S3_CACHE];
  argv.push("--group", "s3-door");
  if (settings.S3_SPOOL !== undefined) argv.push("--s3-spool", settings.S3_SPOOL);
  if (settings.S3_KEY_FILE !== undefined) argv.push("--s3-key", settings.S3_KEY_FILE);
  return { argv, env: { FERRY_ENDPOINT: named ?? `http://127.0.0.1:${port}`, FERRY_TOKEN: token } };
}

function invalid(problem: string): FerryError {
  return new FerryError("CONFIG_INVALID", { problem });
}

const FERRY = fileURLToPath(new URL("../ferry.ts", import.meta.url));
const END_WITH_PARENT = new URL("../stack/end-with-parent.ts", import.meta.url).href;

/** Starts it, and again when it ends; it ends with this process. */
export function runBeside({ argv, env }: S3Beside, log: Log, signal: AbortSignal): void {
  if (signal.aborted) return;
  const { PATH = "", HOME = "/" } = process.env;
  const child = spawn(process.execPath, ["--import", END_WITH_PARENT, FERRY, ...argv], {
    env: { PATH, HOME, ...env },
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  const stop = () => child.kill("SIGTERM");
  signal.addEventListener("abort", stop, { once: true });
  child.once("exit", (code) => {
    signal.removeEventListener("abort", stop);
    if (signal.aborted) return;
    log({ event: "s3.ended", code: code ?? -1 });
    setTimeout(() => runBeside({ argv, env }, log, signal), AGAIN_MS).unref();
  });
}
