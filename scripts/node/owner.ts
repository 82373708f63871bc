/** Who runs a pull, and whether that process still lives: what a dead one left may be taken over. */
import { readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";
import * as z from "zod";

/** `space`: the kernel and the process-id space in which `pid` means something. `startedAt` tells a process from a later one of its id. */
export const Owner = z.object({ space: z.string(), pid: z.int(), startedAt: z.string() });
export type Owner = z.infer<typeof Owner>;

export function thisOwner(): Owner {
  return { space: processSpace(), pid: process.pid, startedAt: startOf(process.pid) ?? "" };
}

/** "unknown": it runs, or ran, where this process can't look. */
export function lifeOf(owner: Owner): "alive" | "dead" | "unknown" {
  if (owner.space !== processSpace()) return "unknown";
  if (owner.startedAt !== "") return startOf(owner.pid) === owner.startedAt ? "alive" : "dead";
  try {
    process.kill(owner.pid, 0);
    return "alive";
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM" ? "alive" : "dead";
  }
}

function processSpace(): string {
  try {
    return `${readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim()} ${readlinkSync("/proc/self/ns/pid")}`;
  } catch {
    return `${hostname()} ${process.platform}`;
  }
}

/** The 22nd field of /proc/<pid>/stat; the second may hold spaces and parentheses. Null when there is no such process, or no /proc. */
function startOf(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? null;
  } catch {
    return null;
  }
}
