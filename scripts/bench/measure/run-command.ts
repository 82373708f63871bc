/** Runs one command as a child process and measures it: wall time, CPU of it and its children, memory, and who else was at work. */
import { spawn } from "node:child_process";
import { availableParallelism } from "node:os";
import { basename } from "node:path";
import { sharedNowMs } from "../s3/counts.ts";
import { cpuTimes, machineCpuS, peakTreeBytes, treeCpuS } from "./proc.ts";

export type Command = {
  program: string;
  args: readonly string[];
  /** All of its environment. */
  env: Readonly<Record<string, string>>;
  cwd?: string;
};

/** Seconds and bytes; null: this system does not tell. `foreignShare`: of all cores, used by processes that are not the bench's. */
export type Measured = {
  /** On the clock that all processes of this machine share (process.hrtime). */
  startedAtMs: number;
  wallS: number;
  cpuS: number | null;
  serverCpuS: number | null;
  peakBytes: number | null;
  foreignShare: number | null;
};

/** Children of a pool of Node threads change their memory quickly; this costs about 1 % of a core. */
const POLL_MS = 25;
const OUTPUT_CHARACTERS_MAX = 4000;
const TIMEOUT_MS = 20 * 60_000;

/** @param servers processes that serve the command. Throws with the command's own words when it fails. */
export async function runMeasured(command: Command, servers: readonly number[]): Promise<Measured> {
  const before = snapshot(servers);
  const startedAtMs = sharedNowMs();
  const peakBytes = await run(command);
  const wallS = (sharedNowMs() - startedAtMs) / 1000;
  const after = snapshot(servers);
  if (before === null || after === null) return { startedAtMs, wallS, cpuS: null, serverCpuS: null, peakBytes: null, foreignShare: null };
  const cpuS = after.children - before.children;
  const serverCpuS = after.servers - before.servers;
  const oursS = cpuS + serverCpuS + (after.own - before.own);
  const foreignS = Math.max(0, after.machine - before.machine - oursS);
  return {
    startedAtMs,
    wallS,
    cpuS,
    serverCpuS: servers.length === 0 ? null : serverCpuS,
    peakBytes,
    foreignShare: foreignS / (wallS * availableParallelism()),
  };
}

type Snapshot = { machine: number; own: number; children: number; servers: number };

function snapshot(servers: readonly number[]): Snapshot | null {
  const [machine, self] = [machineCpuS(), cpuTimes("self")];
  if (machine === null || self === null) return null;
  return { machine, ...self, servers: servers.reduce((sum, pid) => sum + treeCpuS(pid), 0) };
}

/** Runs it to its end. @returns the most memory that was seen; null: it was too short to be seen */
async function run({ program, args, env, cwd }: Command): Promise<number | null> {
  const child = spawn(program, args, {
    env,
    stdio: ["ignore", "pipe", "pipe"],
    timeout: TIMEOUT_MS,
    killSignal: "SIGKILL",
    // A group of its own, so that it ends with us, its own children too.
    detached: true,
    ...(cwd === undefined ? {} : { cwd }),
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output = (output + text).slice(-OUTPUT_CHARACTERS_MAX);
    });
  }
  const end = () => killGroup(child.pid);
  process.once("exit", end);
  let peakBytes = 0;
  const poll = setInterval(() => {
    if (child.pid !== undefined) peakBytes = Math.max(peakBytes, peakTreeBytes(child.pid));
  }, POLL_MS);
  try {
    const how = await new Promise<string>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (code, signal) => resolve(code === 0 ? "" : (signal ?? `exit code ${code}`)));
    });
    if (how !== "") throw new Error(`${basename(program)} failed (${how}): ${output.trim()}`);
  } finally {
    clearInterval(poll);
    process.removeListener("exit", end);
  }
  return peakBytes === 0 ? null : peakBytes;
}

function killGroup(pid: number | undefined): void {
  try {
    if (pid !== undefined) process.kill(-pid, "SIGKILL");
  } catch {
    // Everybody is gone already.
  }
}
