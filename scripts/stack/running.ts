/** The note of what runs in a home, `stack.json`: how a second command finds the stack, and how leftovers of a killed one are found. */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import * as z from "zod";
import { writePrivately } from "./home.ts";

/** A process and when it began: a process id alone may be somebody else's by now. */
const Marked = z.object({ name: z.string(), pid: z.number(), began: z.string() });
type Marked = z.infer<typeof Marked>;

const Running = z.object({ supervisor: Marked, endpoint: z.string().nullable(), children: z.array(Marked) });
export type Running = z.infer<typeof Running>;

const STOP_TIMEOUT_MS = 20_000;

/** The note of this home, when its supervisor lives. */
export function findRunning(home: string): Running | null {
  const note = readNote(home);
  return note !== null && isAlive(note.supervisor) ? note : null;
}

/** Writes down that this process supervises `home`. @param endpoint null until the stack is ready. */
export function noteRunning(home: string, endpoint: string | null, children: readonly { name: string; pid: number }[]): void {
  const mark = (name: string, pid: number): Marked => ({ name, pid, began: beganAt(pid) ?? "" });
  const note: Running = {
    supervisor: mark("supervisor", process.pid),
    endpoint,
    children: children.map(({ name, pid }) => mark(name, pid)),
  };
  writePrivately(notePath(home), `${JSON.stringify(note, null, 2)}\n`);
}

export function forgetRunning(home: string): void {
  rmSync(notePath(home), { force: true });
}

/** Ends the stack of this home, and what a killed one left; false when there was nothing. Resolves when every process is gone. */
export async function stopRunning(home: string): Promise<boolean> {
  const note = readNote(home);
  if (note === null) return false;
  const lived = isAlive(note.supervisor);
  if (lived) await end(note.supervisor);
  const left = note.children.filter(isAlive);
  await Promise.all(left.map(end));
  forgetRunning(home);
  return lived || left.length > 0;
}

async function end(marked: Marked): Promise<void> {
  signal(marked.pid, "SIGTERM");
  for (const deadline = Date.now() + STOP_TIMEOUT_MS; isAlive(marked); await sleep(20)) {
    if (Date.now() > deadline) signal(marked.pid, "SIGKILL");
  }
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It ended between the look and the signal.
  }
}

function isAlive(marked: Marked): boolean {
  return marked.began !== "" && beganAt(marked.pid) === marked.began;
}

/** When the process began, in the system's own words; null when there is none, or only a zombie that nobody has collected. */
export function beganAt(pid: number): string | null {
  if (process.platform === "linux") return beganOnLinux(pid);
  const { status, stdout } = spawnSync("ps", ["-o", "state=,lstart=", "-p", String(pid)], { encoding: "utf8" });
  const [, state, began] = /^\s*(\S+)\s+(.+?)\s*$/.exec(stdout ?? "") ?? [];
  return status === 0 && state !== undefined && !state.startsWith("Z") ? (began ?? null) : null;
}

/** /proc/<pid>/stat: after the name in parentheses, field 3 is the state and field 22 the start in clock ticks since boot. */
function beganOnLinux(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    return fields[0] === "Z" ? null : `${boot}:${fields[19]}`;
  } catch {
    return null;
  }
}

function readNote(home: string): Running | null {
  if (!existsSync(notePath(home))) return null;
  try {
    return Running.parse(JSON.parse(readFileSync(notePath(home), "utf8")));
  } catch {
    // Cut short by a crash while it was written: the processes of that stack ended with their supervisor.
    return null;
  }
}

function notePath(home: string): string {
  return join(home, "stack.json");
}
