/** What users would pick instead, each as a command for the same work. */
import { spawnSync } from "node:child_process";
import { sep } from "node:path";
import { findProgram } from "../../stack/child.ts";
import type { Dataset } from "../data.ts";
import type { Command } from "../measure/run-command.ts";
import type { Store } from "../store.ts";

/** One transfer of a dataset between a store and this machine. */
export type Job = {
  store: Store;
  data: Dataset;
  /** Key folder of the objects, with "/" at its end: read by pulls, written by pushes. */
  keys: string;
  /** Where a pull puts the files, at their names. It exists. */
  destination: string;
  /** The command's home, and a place for its settings. */
  scratch: string;
  /** Transfers at once, for those that let one say it. */
  connections: number;
  /** The same files in the registry, for clients of the Hub; null for pushes. */
  hub: Hub | null;
};

export type Hub = { endpoint: string; token: string; repository: string };

export type Peer = {
  name: string;
  /** Must be on PATH. */
  programs: readonly string[];
  /** Null: it is not made for that. Throws when it can't be done here. */
  pull: ((job: Job) => Command | Promise<Command>) | null;
  push: ((job: Job) => Command | Promise<Command>) | null;
};

/** Why a peer can't be run here; null when it can. */
export function whyNot({ programs }: Peer): string | null {
  const missing = programs.filter((name) => findProgram(name) === null);
  return missing.length === 0 ? null : `${missing.join(" and ")} ${missing.length === 1 ? "is" : "are"} not installed`;
}

/** Nothing of this machine's own settings: proxies, credentials and the like would be measured too. */
export function plainEnv(home: string, more: Record<string, string> = {}): Record<string, string> {
  return { PATH: process.env["PATH"] ?? "", HOME: home, LC_ALL: "C.UTF-8", ...more };
}

/** The real path of a program. pyenv's shims are programs of their own, whose time is not the peer's. */
export function programPath(name: string): string {
  const path = findProgram(name) ?? name;
  if (!path.includes(`${sep}shims${sep}`)) return path;
  const { status, stdout } = spawnSync(findProgram("pyenv") ?? "", ["which", name], { encoding: "utf8" });
  return status === 0 ? stdout.trim() : path;
}

export function shell(script: string, env: Record<string, string>, cwd?: string): Command {
  return { program: "/bin/sh", args: ["-c", script], env, ...(cwd === undefined ? {} : { cwd }) };
}
