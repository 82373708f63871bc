/** What repositories weigh: sums of the index, and distinct chunks from the envelopes. */
import type { DeploymentUsage, RepositoryUsage } from "../../shared/contract/lifecycle.ts";
import type { RepositorySummary } from "../../shared/contract/repositories.ts";
import { fromHex } from "../../shared/digest.ts";
import { isoTime } from "../../shared/time.ts";
import { mayDeployment } from "./access.ts";
import { newestRun } from "./collect/state.ts";
import { FingerprintTable } from "./fingerprint-table.ts";
import { walkHistory } from "./history.ts";
import { livingState } from "./living.ts";
import { pooled, STORE_WIDTH } from "./pool.ts";
import type { Caller, Ports, RevisionEntry } from "./ports.ts";
import { listRepositories } from "./repositories.ts";
import { envelopeOf } from "./revisions.ts";

/** What one request reads: envelopes, and seconds for which it goes on to begin with another. */
const ENVELOPES_MAX = 500;
const SCAN_MS = 10_000;
/** 64 bytes of memory each, at most. */
const CHUNKS_MAX = 1_000_000;

export async function repositoryUsage(ports: Ports, repository: RepositorySummary): Promise<RepositoryUsage> {
  const { usage, revisionCount } = await livingState(ports, repository);
  const tally = new FingerprintTable();
  const deadlineMs = ports.clock.now() + SCAN_MS;
  let [uniqueBytes, scanned] = [0, 0];
  for await (const batch of livingBatches(ports, repository)) {
    if (scanned + batch.length > ENVELOPES_MAX || tally.count >= CHUNKS_MAX || ports.clock.now() > deadlineMs) break;
    for (const { places } of await pooled(batch, STORE_WIDTH, (entry) => envelopeOf(ports, repository, entry))) {
      for (const [sha256, { size }] of places) if (tally.add(fromHex(sha256.slice(0, 32)))) uniqueBytes += size;
    }
    scanned += batch.length;
  }
  return { revisions: revisionCount, ...usage, uniqueBytes, uniqueChunks: tally.count, scanned, complete: scanned >= revisionCount };
}

/** Living revisions, newest first, as many as are read at once. */
async function* livingBatches(ports: Ports, repository: RepositorySummary): AsyncGenerator<RevisionEntry[]> {
  for await (const page of walkHistory(ports, repository.id, { limit: Number.POSITIVE_INFINITY })) {
    const living = page.filter(({ deletedAt }) => deletedAt === null);
    for (let at = 0; at < living.length; at += STORE_WIDTH) yield living.slice(at, at + STORE_WIDTH);
  }
}

/** A page of repositories, added up. */
export async function deploymentUsage(
  ports: Ports,
  caller: Caller,
  query: { cursor?: string | undefined; limit: number },
): Promise<DeploymentUsage> {
  const { repositories, next } = await listRepositories(ports, caller, query);
  const states = await pooled(repositories, STORE_WIDTH, (repository) => livingState(ports, repository));
  const sum = (of: (state: (typeof states)[number]) => number) =>
    Math.min(
      states.reduce((total, state) => total + of(state), 0),
      Number.MAX_SAFE_INTEGER,
    );
  return {
    repositories: repositories.length,
    revisions: sum(({ revisionCount }) => revisionCount),
    logicalBytes: sum(({ usage }) => usage.logicalBytes),
    storedBytes: sum(({ usage }) => usage.storedBytes),
    objects: sum(({ usage }) => usage.objects),
    measured: mayDeployment(caller, "admin") ? await lastMeasured(ports) : null,
    next,
  };
}

/** What the newest run of collection counted in the bucket; null while it counts, and when there was none. */
async function lastMeasured(ports: Ports): Promise<DeploymentUsage["measured"]> {
  const run = await newestRun(ports);
  if (run === null || ["scan", "sift", "aborted"].includes(run.phase)) return null;
  const { chunks, chunkBytes, garbage, garbageBytes, startedAtMs } = run;
  return { chunks, bytes: chunkBytes, garbage, garbageBytes, startedAt: isoTime(startedAtMs) };
}
