/**
 * A network in which the loopback is as fast as it is. BBR, the default of some machines, paces there too: one stream then reaches a
 * quarter of what cubic does. The bench may not change the machine's setting, so it runs itself again in a network namespace of its own,
 * whose route to this machine asks for cubic (ip-route(8), congctl).
 */
import { spawn, spawnSync } from "node:child_process";
import process from "node:process";
import { findProgram } from "../stack/child.ts";
import { congestionControl } from "./machine.ts";

const INSIDE = "FERRY_BENCH_CONGESTION_CONTROL";
const WANTED = "cubic";
const PACING = ["bbr"];

const SET_UP =
  "ip link set lo up && " +
  `ip route change local 127.0.0.1 dev lo table local proto kernel scope host src 127.0.0.1 congctl ${WANTED} && ` +
  'exec "$@"';

export type Network = { congestionControl: string; own: boolean };

/** The network that this process is in. */
export function ownNetwork(): Network {
  const inside = process.env[INSIDE];
  return inside === undefined ? { congestionControl: congestionControl(), own: false } : { congestionControl: inside, own: true };
}

/** Whether the bench should run itself again by `runInside`: the loopback is paced here, and a namespace can be had. */
export function isBetterInside(): boolean {
  if (ownNetwork().own || !PACING.includes(congestionControl())) return false;
  const unshare = findProgram("unshare");
  if (process.getuid?.() !== 0 || unshare === null || findProgram("ip") === null) return false;
  return spawnSync(unshare, ["--net", "sh", "-c", SET_UP, "sh", "true"], { stdio: "ignore" }).status === 0;
}

/** Runs this program again with the same arguments. @returns its exit code */
export async function runInside(): Promise<number> {
  const self = [process.execPath, ...process.execArgv, ...process.argv.slice(1)];
  const child = spawn(findProgram("unshare") ?? "", ["--net", "sh", "-c", SET_UP, "sh", ...self], {
    stdio: "inherit",
    env: { ...process.env, [INSIDE]: WANTED },
  });
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => child.kill(signal));
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code) => resolve(code ?? 1));
  });
}
