/**
 * Imports that the deployment keeps, done beside the cache: from what this machine's operator allows, with this machine's keys, by the agent's
 * own token. One at a time. What is cut off is given out again, and goes on with what is in the spool.
 */
import { realpath } from "node:fs/promises";
import { join } from "node:path";
import type { FerryClient } from "../../shared/client.ts";
import { type ImportOutcome, type ImportRule, isImportAllowed, type LeasedImport } from "../../shared/contract/imports.ts";
import type { RevisionSummary } from "../../shared/contract/repositories.ts";
import { FerryError, problemOf } from "../../shared/errors.ts";
import { matchesGlob } from "../../shared/names.ts";
import { GiB } from "../../shared/units.ts";
import type { Env } from "../import/origin.ts";
import { publicFetch } from "../import/public-fetch.ts";
import { type Imported, type ImportInto, type ImportWith, importFolder, importOrigin, originOf } from "../import/run.ts";
import { MACHINE } from "../node/machine.ts";
import type { Log } from "./log.ts";

export type Importing = {
  client: FerryClient;
  /** What it imports from, and into what; none: nothing. */
  rules: readonly ImportRule[];
  /** Its name in the list of imports. */
  executor: string;
  /** Where files are kept on their way. */
  folder: string;
  /** Keys and places of the sources. */
  env: Env;
  log: Log;
  signal: AbortSignal;
};

const JOB_LABEL = "import/job";
const AGAIN_MS = 30_000;
const SPOOL_BYTES_MAX = 64 * GiB;
const CONNECTIONS = 8;

/** Ends when the signal fires, and never fails. */
export async function keepImporting(importing: Importing): Promise<void> {
  const { rules, log, signal } = importing;
  if (rules.length === 0) return;
  log({ event: "import.started", from: rules.map(({ from }) => from).join(" ") });
  while (!signal.aborted) {
    try {
      const waitSeconds = await importNext(importing);
      if (waitSeconds > 0) await MACHINE.sleep(waitSeconds * 1000, signal);
    } catch (error) {
      if (signal.aborted) return;
      log({ event: "import.unled", problem: error instanceof FerryError ? error.message : problemOf(error) });
      await MACHINE.sleep(AGAIN_MS, signal).catch(() => {});
    }
  }
}

/** Does one import, if there is any for it. How long to wait before the next, in seconds. */
export async function importNext(importing: Importing): Promise<number> {
  const { client, executor, rules, log, signal } = importing;
  const { task, waitSeconds } = await client.call("leaseImport", { body: { executor, rules: [...rules] } }, signal);
  if (task === null) return waitSeconds;
  const { id, from, repository, branch, lease, fence } = task;
  const outcome = await underLease(importing, task);
  signal.throwIfAborted();
  if (outcome === null) {
    log({ event: "import.lost", id, from, repository });
    return waitSeconds;
  }
  const ended = await client.call("finishImport", { repository, params: { import: id }, body: { lease, fence, ...outcome } }, signal);
  const { state, revision, problem } = ended;
  log({ event: "import.ended", id, from, repository, branch, state, revision: revision ?? "", problem: problem ?? "" });
  return waitSeconds;
}

type Outcome = Omit<ImportOutcome, "lease" | "fence">;

/** Null: it is somebody else's by now, or was cancelled. */
async function underLease(importing: Importing, task: LeasedImport): Promise<Outcome | null> {
  const ended = new AbortController();
  const stop = AbortSignal.any([importing.signal, ended.signal]);
  const beating = keepLease(importing, task, { ended, stop });
  let isLost = false;
  const outcome = await performOnce(importing, task, stop)
    .catch((error: unknown) => {
      isLost = stop.aborted;
      return failureOf(error);
    })
    .finally(() => ended.abort());
  await beating;
  return isLost ? null : outcome;
}

/** Says that it is still at it, until it is not, or the import is lost. */
async function keepLease(
  { client }: Importing,
  { id, repository, lease, fence, leaseSeconds }: LeasedImport,
  { ended, stop }: { ended: AbortController; stop: AbortSignal },
): Promise<void> {
  while (!stop.aborted) {
    try {
      await MACHINE.sleep((leaseSeconds * 1000) / 3, stop);
      await client.call("extendImport", { repository, params: { import: id }, body: { lease, fence } }, stop);
    } catch (error) {
      if (error instanceof FerryError && error.code === "TASK_LOST") ended.abort(error);
    }
  }
}

/** What was made already, by somebody whose answer was lost or whose lease ended, is not made again. */
async function performOnce(importing: Importing, task: LeasedImport, signal: AbortSignal): Promise<Outcome> {
  const made = () => madeBy(importing.client, task, signal);
  const before = await made();
  if (before !== null) return outcomeOfRevision(before);
  try {
    return await perform(importing, task, signal);
  } catch (error) {
    const meanwhile = await made().catch(() => null);
    if (meanwhile !== null) return outcomeOfRevision(meanwhile);
    throw error;
  }
}

async function perform(importing: Importing, task: LeasedImport, signal: AbortSignal): Promise<Outcome> {
  const { client, env, folder } = importing;
  const { id, from, repository, branch, message } = task;
  // The deployment has asked for it; what may be read here is said here alone.
  if (!isImportAllowed(importing.rules, task, matchesGlob))
    throw new FerryError("PERMISSION_DENIED", { action: `import ${from}`, repository });
  // Somebody whose lease ended while it went on may have made it meanwhile.
  const once = async () => {
    const revision = await madeBy(client, task, signal);
    return revision === null ? { operationId: id } : { revision };
  };
  const into: ImportInto = { repository, branch, message, create: false, labels: { [JOB_LABEL]: id }, source: {}, once };
  const given: ImportWith = {
    client,
    signal,
    sleep: MACHINE.sleep,
    transfer: (run) => run({ client, signal, onProgress: () => {} }),
    options: { cacheDir: folder, useStatCache: false },
    spool: { folder: join(folder, "spool"), bytesMax: SPOOL_BYTES_MAX, connections: CONNECTIONS },
  };
  if (from.startsWith("/")) return outcomeOf(await importFolder(await realFolder(importing.rules, task), into, given));
  const reach = publicFetch(privateHostsOf(importing, task));
  try {
    const origin = await originOf(from, { env, fetch: reach.fetch, nowMs: Date.now, signal, virtualHosted: false });
    if (origin === null) throw new FerryError("USAGE_INVALID", { problem: `${from} is no source` });
    return outcomeOf(await importOrigin(origin, into, given));
  } finally {
    reach.close();
  }
}

/** The revision that an import has made already. */
async function madeBy(
  client: FerryClient,
  { id, repository, branch, requestedAt }: LeasedImport,
  signal: AbortSignal,
): Promise<RevisionSummary | null> {
  const query = { branch, label: `${JOB_LABEL}:${id}`, since: requestedAt };
  const { revisions } = await client.call("listRevisions", { repository, query }, signal);
  return revisions[0] ?? null;
}

function outcomeOf(imported: Imported): Outcome {
  if ("result" in imported) return outcomeOfRevision(imported.result.revision);
  return { revision: imported.known, unchanged: true, files: 0, bytes: 0, again: true };
}

function outcomeOfRevision({ revision, fileCount, sizeBytes }: RevisionSummary): Outcome {
  return { revision, unchanged: false, files: fileCount, bytes: sizeBytes, again: true };
}

function failureOf(error: unknown): Outcome {
  const problem = (error instanceof FerryError ? error.message : problemOf(error)).slice(0, 300);
  const status = error instanceof FerryError ? Number(error.details["status"] ?? 500) : 500;
  const isRefused = status < 500 && status !== 408 && status !== 429;
  const again = !(error instanceof FerryError) || (error.retryable && !isRefused) || error.code === "FILE_CHANGED";
  return { unchanged: false, files: 0, bytes: 0, problem, again };
}

/**
 * Without links on the way, and still in a folder that is allowed: whoever may write below that one could else put a link to anything there.
 * Links within the folder are kept as links.
 */
async function realFolder(rules: readonly ImportRule[], task: LeasedImport): Promise<string> {
  const real = await realpath(task.from).catch(() => null);
  if (real === null) throw new FerryError("SOURCE_UNAVAILABLE", { source: task.from, problem: "there is no such folder", status: 404 });
  for (const rule of rules) {
    if (!rule.from.startsWith("/") || !isImportAllowed([rule], task, matchesGlob)) continue;
    const base = await realpath(rule.from.replace(/\*$/, "")).catch(() => null);
    if (base !== null && (real === base || real.startsWith(base === "/" ? base : `${base}/`))) return real;
  }
  throw new FerryError("PERMISSION_DENIED", { action: `import ${task.from}`, repository: task.repository });
}

/** What this machine's settings name, or a rule that names this very host, need not be public. */
function privateHostsOf({ env, rules }: Importing, task: LeasedImport): string[] {
  const { from } = task;
  if (from.startsWith("hf:")) return hostsOf([env["HF_ENDPOINT"]]);
  if (from.startsWith("s3:")) return hostsOf([env["AWS_ENDPOINT_URL_S3"], env["AWS_ENDPOINT_URL"]]);
  const naming = rules.filter((rule) => isImportAllowed([rule], task, matchesGlob)).map((rule) => rule.from.replace(/\*$/, ""));
  return hostsOf(naming);
}

function hostsOf(urls: readonly (string | undefined)[]): string[] {
  return urls.flatMap((url) => {
    const host = url ? URL.parse(url)?.hostname : undefined;
    return host ? [host.replace(/^\[|\]$/g, "").toLowerCase()] : [];
  });
}
