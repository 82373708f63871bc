/** Finds redis-server, and installs it where that can be done without asking: Debian's package as root or by sudo, Homebrew's on a Mac. */
import { spawnSync } from "node:child_process";
import { findProgram } from "./child.ts";
import { StackProblem } from "./problem.ts";

/** What decides how it can be installed. */
export type Machine = { platform: NodeJS.Platform; isRoot: boolean; hasAptGet: boolean; hasSudo: boolean; hasBrew: boolean };

/** Command lines to run one after another, or the sentence for a person who must do it. */
export type InstallPlan = { commands: string[][] } | { sentence: string };

/** Where Debian and Homebrew put servers that may not be on PATH. */
const MORE_FOLDERS = [
  "/usr/bin",
  "/usr/sbin",
  "/usr/local/bin",
  "/opt/homebrew/bin",
  "/opt/homebrew/opt/redis/bin",
  "/usr/local/opt/redis/bin",
];

const HOW_TO = "modelferry's local stack needs redis-server 6.2 or newer, and can't install it here:";

/** The path of redis-server. Throws StackProblem when there is none. */
export function findRedisServer(): string {
  const path = findProgram("redis-server", MORE_FOLDERS);
  if (path === null) throw new StackProblem(`${HOW_TO} install it, then run the same command again.`);
  return path;
}

/** Installs redis-server when there is none. Throws StackProblem with what a person can do. */
export function ensureRedisServer(say: (line: string) => void): void {
  if (findProgram("redis-server", MORE_FOLDERS) !== null) return;
  const plan = planInstall(thisMachine());
  if ("sentence" in plan) throw new StackProblem(plan.sentence);
  for (const [command = "", ...args] of plan.commands) {
    say(`Installing redis-server: ${[command, ...args].join(" ")}`);
    const { status, error, stderr } = spawnSync(command, args, { stdio: ["ignore", "ignore", "pipe"], encoding: "utf8", timeout: 300_000 });
    if (status !== 0) throw new StackProblem(`redis-server could not be installed: ${command}: ${(error?.message ?? stderr).trim()}`);
  }
  findRedisServer();
}

export function planInstall(machine: Machine): InstallPlan {
  if (machine.platform === "darwin") {
    return machine.hasBrew
      ? { commands: [["brew", "install", "redis"]] }
      : { sentence: `${HOW_TO} install Homebrew and run \`brew install redis\`, then run the same command again.` };
  }
  if (!machine.hasAptGet) return { sentence: `${HOW_TO} install it with this system's package manager, then run the same command again.` };
  if (!machine.isRoot && !machine.hasSudo) {
    return { sentence: `${HOW_TO} run \`sudo apt-get install -y redis-server\`, then run the same command again.` };
  }
  const apt = [...(machine.isRoot ? [] : ["sudo", "-n"]), "env", "DEBIAN_FRONTEND=noninteractive", "apt-get"];
  return {
    commands: [
      [...apt, "update", "-q"],
      [...apt, "install", "-y", "-q", "--no-install-recommends", "redis-server"],
    ],
  };
}

function thisMachine(): Machine {
  const isRoot = process.getuid?.() === 0;
  return {
    platform: process.platform,
    isRoot,
    hasAptGet: findProgram("apt-get") !== null,
    hasSudo: !isRoot && findProgram("sudo") !== null && spawnSync("sudo", ["-n", "true"], { stdio: "ignore" }).status === 0,
    hasBrew: findProgram("brew") !== null,
  };
}
