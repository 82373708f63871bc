/**
 * Child processes that end with us. Each leads a process group of its own, so that Ctrl-C in a terminal reaches only the parent, which
 * stops its children in order, and so that a child's own children can be ended with it. Node children hold an IPC channel and end when
 * it breaks (serve-parent.ts, end-with-parent.ts); other programs are tied to us by Linux's parent-death signal where `setpriv` exists.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { accessSync, closeSync, constants, mkdirSync, openSync, readFileSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import * as z from "zod";
import { StackProblem } from "./problem.ts";

export type ChildOptions = {
  /** How people know it, such as "redis-server". */
  name: string;
  command: string;
  args: readonly string[];
  /** Everything that it prints is appended here. */
  logFile: string;
  cwd?: string;
  env?: NodeJS.ProcessEnv;
};

export type Child = {
  name: string;
  pid: number;
  logFile: string;
  /** Resolves when it has ended, however it came to that, with how: `exit code 1` or `signal SIGKILL`. */
  exited: Promise<string>;
  /** Ends it: SIGTERM first, SIGKILL when that takes too long. Resolves when it is gone. */
  stop(): Promise<void>;
  /** Ends it at once, as a crash would. Resolves when it is gone. */
  kill(): Promise<void>;
};

const STOP_GRACE_MS = 5_000;
const START_TIMEOUT_MS = 60_000;
const LOG_TAIL_LINES = 12;

/** Starts a program. Throws StackProblem when it can't be started at all. */
export async function startProgram(options: ChildOptions): Promise<Child> {
  const tie = process.platform === "linux" ? findProgram("setpriv") : null;
  const [command, ...args] =
    tie === null ? [options.command, ...options.args] : [tie, "--pdeathsig", "TERM", options.command, ...options.args];
  return watch(options, launch({ ...options, command, args }, false));
}

/** Starts a Node program with an IPC channel; `channel` is its end here. */
export async function startNode(options: Omit<ChildOptions, "command">): Promise<{ child: Child; channel: ChildProcess }> {
  const channel = launch({ ...options, command: process.execPath }, true);
  return { child: await watch(options, channel), channel };
}

const Started = z.union([z.object({ started: z.unknown() }), z.object({ problem: z.string() })]);

/**
 * Starts a module of this folder that uses serveParent, hands it `settings` and answers with what it says once it is up. Settings travel
 * by IPC, so that secrets are in no process list. Throws StackProblem with the end of its log when it fails.
 */
export async function startModule<T>(
  options: Omit<ChildOptions, "command" | "args"> & { file: string; settings: object; answer: z.ZodType<T> },
): Promise<{ child: Child; started: T }> {
  const { child, channel } = await startNode({ ...options, args: [options.file] });
  const { promise, resolve, reject } = Promise.withResolvers<unknown>();
  const timer = setTimeout(
    () => reject(new StackProblem(`${options.name} did not start in ${START_TIMEOUT_MS / 1000} s`)),
    START_TIMEOUT_MS,
  );
  channel.once("message", resolve);
  void child.exited.then((how) => reject(new StackProblem(`${options.name} did not start (${how}):\n${logTail(child.logFile)}`)));
  channel.send(options.settings);
  try {
    const message = Started.parse(await promise);
    if ("problem" in message) throw new StackProblem(`${options.name} did not start: ${message.problem}`);
    return { child, started: options.answer.parse(message.started) };
  } catch (error) {
    await child.kill();
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

/** The absolute path of a program on PATH, or null. */
export function findProgram(name: string, moreFolders: readonly string[] = []): string | null {
  for (const folder of [...(process.env["PATH"] ?? "").split(delimiter), ...moreFolders]) {
    const path = join(folder, name);
    if (folder !== "" && isExecutable(path)) return path;
  }
  return null;
}

/** The last lines of a log, for a sentence about what went wrong. */
export function logTail(logFile: string): string {
  return readFileSync(logFile, "utf8").trimEnd().split("\n").slice(-LOG_TAIL_LINES).join("\n");
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function launch(options: ChildOptions, ipc: boolean): ChildProcess {
  mkdirSync(dirname(options.logFile), { recursive: true });
  const log = openSync(options.logFile, "a", 0o600);
  try {
    return spawn(options.command, options.args, {
      stdio: ipc ? ["ignore", log, log, "ipc"] : ["ignore", log, log],
      detached: true,
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      ...(options.env === undefined ? {} : { env: options.env }),
    });
  } finally {
    closeSync(log);
  }
}

async function watch(options: { name: string; logFile: string }, process_: ChildProcess): Promise<Child> {
  const exited = new Promise<string>((resolve) => {
    process_.once("exit", (code, signal) => {
      if (process_.pid !== undefined) signalGroup(process_.pid, "SIGKILL");
      resolve(signal === null ? `exit code ${code}` : `signal ${signal}`);
    });
  });
  await new Promise<void>((resolve, reject) => {
    process_.once("spawn", resolve);
    process_.once("error", (cause) => reject(new StackProblem(`${options.name} can't be started: ${cause.message}`, { cause })));
  });
  const { pid } = process_;
  if (pid === undefined) throw new StackProblem(`${options.name} can't be started`);
  const end = async (signal: NodeJS.Signals) => {
    if (process_.exitCode === null && process_.signalCode === null) process_.kill(signal);
    const force = setTimeout(() => signalGroup(pid, "SIGKILL"), STOP_GRACE_MS);
    await exited;
    clearTimeout(force);
  };
  return { name: options.name, pid, logFile: options.logFile, exited, stop: () => end("SIGTERM"), kill: () => end("SIGKILL") };
}

/** Signals what is left of the group that `pid` leads, if anything is. */
function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch {
    // The group is empty: everybody is gone already.
  }
}
