/** The machine that figures belong to: what explains them, and nothing that tells whose it is. */
import { readFileSync } from "node:fs";
import { arch, availableParallelism, cpus, loadavg, platform, release, totalmem } from "node:os";
import * as z from "zod";
import { GiB } from "../../shared/units.ts";

export const Machine = z.object({
  system: z.string(),
  kernel: z.string(),
  architecture: z.string(),
  cpu: z.string(),
  cores: z.number(),
  /** Of those that matter here: hashing, encrypting, wide moves. */
  cpuFlags: z.array(z.string()),
  memoryGib: z.number(),
  node: z.string(),
  openssl: z.string(),
  /** Of TCP on the loopback: BBR paces there, which costs up to four fifths of the speed. */
  congestionControl: z.string(),
  /** In a network namespace that the bench made, with another congestion control than the machine's. */
  ownNetwork: z.boolean(),
  loadAtStart: z.number(),
});
export type Machine = z.infer<typeof Machine>;

const FLAGS = ["sha_ni", "sha2", "aes", "vaes", "vpclmulqdq", "avx2", "avx512f"];

export function describeMachine(network: { congestionControl: string; own: boolean }): Machine {
  const cpuinfo = readText("/proc/cpuinfo");
  const [, flags = ""] = /^(?:flags|Features)\s*:\s*(.*)$/m.exec(cpuinfo) ?? [];
  const known = new Set(flags.split(" "));
  return {
    system: platform(),
    kernel: release(),
    architecture: arch(),
    cpu: (cpus()[0]?.model ?? "unknown").trim(),
    cores: availableParallelism(),
    cpuFlags: FLAGS.filter((flag) => known.has(flag)),
    memoryGib: Math.round(totalmem() / GiB),
    node: process.version,
    openssl: process.versions.openssl ?? "none",
    congestionControl: network.congestionControl,
    ownNetwork: network.own,
    loadAtStart: Math.round((loadavg()[0] ?? 0) * 10) / 10,
  };
}

/** For a file's name: `2-core-amd-epyc-linux`. */
export function machineWords({ cores, cpu, system }: Machine): string {
  const model = cpu.replace(/\(R\)|\(TM\)|CPU|Processor|@.*$/gi, " ");
  return [`${cores}-core`, ...`${model} ${system}`.toLowerCase().split(/[^a-z0-9]+/)].filter((word) => word !== "").join("-");
}

export function congestionControl(): string {
  return readText("/proc/sys/net/ipv4/tcp_congestion_control").trim() || "unknown";
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
