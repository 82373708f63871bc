/** Where a push comes from, as far as the machine tells: so that a revision can be traced back without anybody writing it down. */
import { readFileSync, statSync } from "node:fs";
import { hostname } from "node:os";
import { dirname, join, resolve } from "node:path";
import type { Source } from "../../shared/contract/repositories.ts";
import type { Host } from "./host.ts";

const TEXT_LENGTH_MAX = 255;
const COMMIT = /^[0-9a-f]{40}([0-9a-f]{24})?$/;

/** What tells which job a process is of; asked in this order. */
const JOBS = [
  { name: "SLURM_JOB_ID", of: "slurm" },
  { name: "KFP_RUN_ID", of: "kubeflow" },
  { name: "KUBEFLOW_JOB_ID", of: "kubeflow" },
  { name: "JOB_NAME", of: null },
] as const;

/** Never fails: what can't be found out is left out. */
export function sourceOf(env: Host["env"], pushed: readonly string[]): Source {
  const [first] = pushed;
  const found = { host: hostname(), job: jobOf(env), git: first === undefined ? undefined : gitCommit(resolve(first)) };
  return Object.fromEntries(Object.entries(found).flatMap(([key, text]) => (text ? [[key, text.slice(0, TEXT_LENGTH_MAX)]] : [])));
}

function jobOf(env: Host["env"]): string | undefined {
  const job = JOBS.find(({ name }) => (env[name] ?? "") !== "");
  if (job === undefined) return undefined;
  return job.of === null ? env[job.name] : `${job.of}/${env[job.name]}`;
}

/** The commit that is checked out where `path` lies in a work tree; read from git's files, so git itself is not needed. */
function gitCommit(path: string): string | undefined {
  for (let folder = path; ; folder = dirname(folder)) {
    const commit = headOf(folder);
    if (commit !== undefined || folder === dirname(folder)) return commit;
  }
}

function headOf(workTree: string): string | undefined {
  try {
    const place = join(workTree, ".git");
    const own = statSync(place).isDirectory() ? place : resolve(workTree, text(place).replace(/^gitdir: /, ""));
    const head = text(join(own, "HEAD"));
    if (COMMIT.test(head)) return head;
    const ref = head.replace(/^ref: /, "");
    return refOf(own, ref) ?? refOf(sharedFolder(own), ref);
  } catch {
    return undefined;
  }
}

/** Of a linked work tree: where the repository itself is. */
function sharedFolder(own: string): string {
  try {
    return resolve(own, text(join(own, "commondir")));
  } catch {
    return own;
  }
}

function refOf(folder: string, ref: string): string | undefined {
  try {
    const commit = text(join(folder, ref));
    return COMMIT.test(commit) ? commit : undefined;
  } catch {
    return packedRef(folder, ref);
  }
}

function packedRef(folder: string, ref: string): string | undefined {
  try {
    const line = text(join(folder, "packed-refs"))
      .split("\n")
      .find((candidate) => candidate.endsWith(` ${ref}`));
    const commit = line?.split(" ")[0] ?? "";
    return COMMIT.test(commit) ? commit : undefined;
  } catch {
    return undefined;
  }
}

function text(path: string): string {
  return readFileSync(path, "utf8").trim();
}
