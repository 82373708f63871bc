/**
 * The local stack: `dev.ts start` runs it here until Ctrl-C, `dev.ts start --detach` leaves it running, `dev.ts stop` ends it.
 * FERRY_DEV_HOME (default .ferry) holds everything it keeps, FERRY_DEV_PORT is the app's port; stacks of different homes run side by side.
 */
import { spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import * as z from "zod";
import type { Child } from "./stack/child.ts";
import { adminToken, devEnvPath, homeFolder, portsOf } from "./stack/home.ts";
import { type LocalStack, logsOf, startLocalStack } from "./stack/local-stack.ts";
import { StackProblem } from "./stack/problem.ts";
import { ensureRedisServer } from "./stack/redis-install.ts";
import { findRunning, forgetRunning, noteRunning, stopRunning } from "./stack/running.ts";

const USAGE = "npm start [-- --detach], or npm stop";
/** What a supervisor in the background tells the command that started it. */
const Report = z.union([
  z.object({ line: z.string() }),
  z.object({ endpoint: z.string(), token: z.string() }),
  z.object({ problem: z.string() }),
]);
type Report = z.infer<typeof Report>;
type Tell = (report: Report) => Promise<void> | void;

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { detach: { type: "boolean", default: false }, background: { type: "boolean", default: false } },
  });
  const home = homeFolder(process.env);
  switch (positionals.join(" ")) {
    case "start":
      return values.background ? supervise(home, endingSignal(), tellParent) : start(home, values.detach);
    case "stop":
      return stop(home);
    default:
      throw new StackProblem(`Usage: ${USAGE}`);
  }
}

async function start(home: string, detach: boolean): Promise<number> {
  const running = findRunning(home);
  if (running !== null) {
    if (running.endpoint === null) throw new StackProblem("The stack of this home is being started by another command.");
    console.log(readyText(home, running.endpoint, adminToken(home), "It was running already. `npm stop` ends it."));
    return 0;
  }
  if (detach) return startInBackground(home);
  const ending = endingSignal();
  // The command that started this one is gone, and in the foreground that means: so is the person.
  process.once("disconnect", () => process.emit("SIGHUP"));
  const code = await supervise(home, ending, (report) => say(home, report, "Ctrl-C stops it; the data stays."));
  if (code === 0) console.log(stoppedText(home));
  return code;
}

async function stop(home: string): Promise<number> {
  console.log((await stopRunning(home)) ? stoppedText(home) : "Nothing was running.");
  return 0;
}

function stoppedText(home: string): string {
  return `Stopped. The data stays in ${shown(home)}.`;
}

/** Runs the stack in this process until it is told to end, or a part of it ends by itself. Answers the exit code. */
async function supervise(home: string, ending: Promise<"ending">, tell: Tell): Promise<number> {
  await stopRunning(home);
  const children: Child[] = [];
  noteRunning(home, null, children);
  const crashed = Promise.withResolvers<string>();
  let stack: LocalStack | undefined;
  try {
    ensureRedisServer((line) => tell({ line }));
    const starting = startLocalStack({
      home,
      ports: portsOf(process.env, home),
      warn: (line) => tell({ line }),
      onChild: (child) => {
        children.push(child);
        noteRunning(home, null, children);
        void child.exited.then((how) => crashed.resolve(`${child.name} ended by itself (${how}); its log is ${shown(child.logFile)}`));
      },
    });
    // Told to end before it is up: it is brought up first, for only what is up can be brought down in order.
    stack = await starting;
    noteRunning(home, stack.endpoint, children);
    tell({ endpoint: stack.endpoint, token: stack.token });
    const end = await Promise.race([ending, crashed.promise]);
    if (end === "ending") return 0;
    await tell({ problem: end });
    return 1;
  } catch (error) {
    if (!(error instanceof StackProblem)) throw error;
    await tell({ problem: error.message });
    return 1;
  } finally {
    await stack?.stop();
    forgetRunning(home);
  }
}

/** Resolves when this process is told to end. A second Ctrl-C changes nothing: ending takes seconds at most. */
function endingSignal(): Promise<"ending"> {
  const { promise, resolve } = Promise.withResolvers<"ending">();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => resolve("ending"));
  return promise;
}

/** Starts a supervisor that outlives this command, and returns when its stack is ready. */
async function startInBackground(home: string): Promise<number> {
  mkdirSync(logsOf(home), { recursive: true });
  const log = openSync(join(logsOf(home), "stack.log"), "a", 0o600);
  const supervisor = spawn(process.execPath, [fileURLToPath(import.meta.url), "start", "--background"], {
    detached: true,
    stdio: ["ignore", log, log, "ipc"],
  });
  closeSync(log);
  const { promise, resolve } = Promise.withResolvers<number>();
  supervisor.on("message", (message) => {
    const report = Report.parse(message);
    say(home, report, "`npm stop` ends it; the data stays.");
    if (!("line" in report)) resolve("problem" in report ? 1 : 0);
  });
  // After the last message, when it ended without one.
  supervisor.once("disconnect", () => {
    say(home, { problem: `The stack ended while it started; see ${shown(join(logsOf(home), "stack.log"))}` }, "");
    resolve(1);
  });
  const code = await promise;
  supervisor.removeAllListeners();
  if (supervisor.connected) supervisor.disconnect();
  supervisor.unref();
  return code;
}

/** To the command that waits, while it does, and to the log. */
async function tellParent(report: Report): Promise<void> {
  if ("problem" in report) console.error(new Date().toISOString(), report.problem);
  if (process.connected) await new Promise<void>((resolve) => process.send?.(report, () => resolve()));
}

function say(home: string, report: Report, closing: string): void {
  if ("line" in report) console.log(report.line);
  else if ("problem" in report) console.error(report.problem);
  else console.log(readyText(home, report.endpoint, report.token, closing));
}

function readyText(home: string, endpoint: string, token: string, closing: string): string {
  return `
modelferry is ready.

  URL     ${endpoint}
  Token   ${token}   (an administrator's; both are in ${shown(devEnvPath(home))})

The web console is at the URL; log in with the token.

Try:

  set -a; . ${shown(devEnvPath(home))}; set +a
  npx ferry push docs team/demo
  npx ferry pull team/demo demo

Logs are in ${shown(logsOf(home))}. ${closing}
`;
}

/** A path as short as a person would write it here. */
function shown(path: string): string {
  const short = relative(process.cwd(), path);
  return short === "" || short.startsWith("..") ? path : short;
}

try {
  process.exit(await main());
} catch (error) {
  if (!(error instanceof StackProblem)) throw error;
  console.error(error.message);
  process.exit(1);
}
