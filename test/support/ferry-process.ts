/** The `ferry` program as a child process with an environment of its own. */
import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Ran } from "./memory-host.ts";

export const FERRY = fileURLToPath(new URL("../../scripts/ferry.ts", import.meta.url));

export type ProcessOptions = {
  env?: Record<string, string>;
  /** For standard input; without, it is empty. */
  input?: string;
  /** Default: this Node on the program's source. */
  command?: readonly string[];
  /** Told of the child, and of what it has written to standard error so far, whenever it writes more. */
  onStderr?: (child: ChildProcess, stderr: string) => void;
};

const TIMEOUT_MS = 60_000;

/** Nothing of this process's environment but PATH gets through. */
export async function ferryProcess(argv: readonly string[], options: ProcessOptions = {}): Promise<Ran> {
  const [program = process.execPath, ...first] = options.command ?? [process.execPath, FERRY];
  const env = { PATH: process.env["PATH"] ?? "", HOME: "/nonexistent", ...options.env };
  const child = spawn(program, [...first, ...argv], { env, stdio: "pipe", timeout: TIMEOUT_MS });
  let [stdout, stderr] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
    options.onStderr?.(child, stderr);
  });
  child.stdin.on("error", () => {});
  child.stdin.end(options.input ?? "");
  const exit = await new Promise<number>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => resolve(code ?? (signal === "SIGKILL" ? 137 : 1)));
  });
  return { exit, stdout, stderr };
}
