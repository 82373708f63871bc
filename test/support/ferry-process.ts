/** The `ferry` program as a child process with an environment of its own. */
import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Ran } from "./memory-host.ts";

/** Of a run of many test files the bundle that it made (scripts/test.ts), else the source. */
export const FERRY = process.env["FERRY_TEST_PROGRAM"] ?? fileURLToPath(new URL("../../scripts/ferry.ts", import.meta.url));

export type ProcessOptions = {
  env?: Record<string, string>;
  /** For standard input; without, it is empty. With `onOutput` it stays open until that ends it. */
  input?: string;
  timeoutMs?: number;
  /** Default: this Node on `FERRY`. */
  command?: readonly string[];
  onStart?: (child: ChildProcess) => Promise<void>;
  /** Told of all that the child has written to standard output so far, whenever it writes more. */
  onOutput?: (child: ChildProcess, stdout: string) => void;
};

const TIMEOUT_MS = 120_000;

/** What gets through of this process's environment: where programs are, and where Node keeps code that it has read before (scripts/test.ts). */
export function passedOn(): Record<string, string> {
  const { PATH = "", NODE_COMPILE_CACHE } = process.env;
  return { PATH, ...(NODE_COMPILE_CACHE === undefined ? {} : { NODE_COMPILE_CACHE }) };
}

/** Nothing of this process's environment gets through but `passedOn`. */
export async function ferryProcess(argv: readonly string[], options: ProcessOptions = {}): Promise<Ran> {
  const [program = process.execPath, ...first] = options.command ?? [process.execPath, FERRY];
  const env = { ...passedOn(), HOME: "/nonexistent", ...options.env };
  const child = spawn(program, [...first, ...argv], {
    env,
    stdio: "pipe",
    timeout: options.timeoutMs ?? TIMEOUT_MS,
    killSignal: "SIGKILL",
  });
  let [stdout, stderr] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
    options.onOutput?.(child, stdout);
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  child.stdin.on("error", () => {});
  if (options.onOutput === undefined) child.stdin.end(options.input ?? "");
  const exit = await new Promise<number>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => resolve(code ?? (signal === "SIGKILL" ? 137 : 1)));
    options.onStart?.(child).catch(reject);
  });
  return { exit, stdout, stderr };
}
