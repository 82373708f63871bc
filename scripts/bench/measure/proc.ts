/**
 * CPU and memory of processes, from Linux's /proc; elsewhere everything is null. Clock ticks are 10 ms to everybody who reads /proc
 * (proc(5), USER_HZ), so runs should take a second or more.
 */
import { readdirSync, readFileSync } from "node:fs";

const TICK_S = 0.01;
const KIB = 1024;

/** `own`: of the process; `children`: of those of its children (and theirs) that ended and were waited for. Seconds, user and system. */
export type CpuTimes = { own: number; children: number };

export function cpuTimes(pid: number | "self"): CpuTimes | null {
  const fields = statFields(pid);
  if (fields === null) return null;
  // Counted from the third field of proc(5): utime, stime, cutime, cstime are fields 14 to 17.
  const [user = 0, system = 0, childUser = 0, childSystem = 0] = fields.slice(11, 15).map(Number);
  return { own: (user + system) * TICK_S, children: (childUser + childSystem) * TICK_S };
}

/** CPU seconds of `pid` and of all processes below it that live; 0 when it is gone. */
export function treeCpuS(pid: number): number {
  return treeOf(pid).reduce((sum, each) => sum + (cpuTimes(each)?.own ?? 0), 0);
}

/** CPU seconds of the whole machine so far: all that was not idle, time stolen by the host included. */
export function machineCpuS(): number | null {
  const [, first] = /^cpu\s+(.*)$/m.exec(read("/proc/stat") ?? "") ?? [];
  if (first === undefined) return null;
  const [user = 0, nice = 0, system = 0, , , irq = 0, softIrq = 0, steal = 0] = first.split(" ").map(Number);
  return (user + nice + system + irq + softIrq + steal) * TICK_S;
}

/** Peak resident bytes of `pid` and of all processes below it, so far; 0 when it is gone. */
export function peakTreeBytes(pid: number): number {
  return treeOf(pid).reduce((sum, each) => sum + statusBytes(each, "VmHWM"), 0);
}

/** Resident bytes now of `pid` and of all processes below it; 0 when it is gone. */
export function residentTreeBytes(pid: number): number {
  return treeOf(pid).reduce((sum, each) => sum + statusBytes(each, "VmRSS"), 0);
}

function treeOf(pid: number): number[] {
  return [pid, ...childrenOf(pid).flatMap(treeOf)];
}

/** Living children of `pid`; none where the system does not tell. */
export function childrenOf(pid: number): number[] {
  return threadsOf(pid).flatMap((thread) => (read(`/proc/${pid}/task/${thread}/children`) ?? "").split(" ").filter(Boolean).map(Number));
}

/** A child belongs to the thread that made it. */
function threadsOf(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/task`);
  } catch {
    return [];
  }
}

function statusBytes(pid: number, field: "VmHWM" | "VmRSS"): number {
  const [, kib] = new RegExp(`^${field}:\\s+(\\d+) kB$`, "m").exec(read(`/proc/${pid}/status`) ?? "") ?? [];
  return Number(kib ?? 0) * KIB;
}

function statFields(pid: number | "self"): string[] | null {
  const stat = read(`/proc/${pid}/stat`);
  // The second field, in brackets, may hold spaces.
  return stat === null ? null : stat.slice(stat.lastIndexOf(")") + 2).split(" ");
}

function read(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null;
  }
}
