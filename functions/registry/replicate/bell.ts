/** One step of replication, by the minute's bell, by hand, or woken by a commit or a tag. */
import type { SyncStep } from "../../../shared/contract/replication.ts";
import type { RepositoryName } from "../../../shared/names.ts";
import type { Ports } from "../ports.ts";
import { findRepository } from "../repositories.ts";
import { collectAt } from "./collect.ts";
import { type Copied, copySome } from "./copy.ts";
import { runDue } from "./policies.ts";
import { type Reconciled, reconcileOne, reconcileSome } from "./reconcile.ts";
import { standingOf } from "./standing.ts";

/** A Worker has 30 s after an answer, and for a request. */
const COMPARE_MS = 8_000;
const STEP_MS = 18_000;

/** `now`: compares although nothing says that it is time. `copyMs`: no task is begun later than this. */
export async function syncStep(ports: Ports, { now = false, copyMs = STEP_MS } = {}): Promise<SyncStep> {
  if (!(await isActive(ports))) return stepOf(NOTHING, NO_COPIES);
  await runDue(ports);
  const begunAtMs = ports.clock.now();
  const compared = await reconcileSome(ports, begunAtMs + COMPARE_MS, { now });
  return stepOf(compared, await copySome(ports, begunAtMs + copyMs));
}

/** After a commit or a move of a tag. */
export async function syncRepository(ports: Ports, name: RepositoryName): Promise<SyncStep> {
  const repository = (await isActive(ports)) ? await findRepository(ports, name) : null;
  if (repository === null) return stepOf(NOTHING, NO_COPIES);
  const begunAtMs = ports.clock.now();
  const compared = await reconcileOne(ports, repository, begunAtMs + COMPARE_MS);
  return stepOf(compared, await copySome(ports, begunAtMs + STEP_MS));
}

/** Collection of replica stores, one after another, also of those that agents fill. Throws what the first failed with, after all had their turn. */
export async function collectReplicas(ports: Ports): Promise<{ store: string; run: string; phase: string; deleted: number }[]> {
  const steps: { store: string; run: string; phase: string; deleted: number }[] = [];
  if (!(await isActive(ports))) return steps;
  const failures: unknown[] = [];
  for (const { profile } of ports.stores.all()) {
    const store = profile.id;
    if (store === ports.stores.home.profile.id) continue;
    const answer = await collectAt(ports, store).catch((error: unknown) => void failures.push(error));
    if (answer?.run != null) steps.push({ store, run: answer.run.run, phase: answer.run.phase, deleted: answer.run.deleted });
  }
  if (failures.length > 0) throw failures[0];
  return steps;
}

/** Only home replicates: two would write two logs. */
async function isActive(ports: Ports): Promise<boolean> {
  if (ports.stores.all().length < 2) return false;
  const { home } = await standingOf(ports);
  return home === null ? !ports.follower : home.store === ports.stores.home.profile.id;
}

const NOTHING: Reconciled = { repositories: 0, opened: 0, ready: 0, evicted: 0, problems: [] };
const NO_COPIES: Copied = { tasks: 0, chunks: 0, bytes: 0, ready: 0, problems: [] };

function stepOf(compared: Reconciled, copied: Copied): SyncStep {
  const { repositories, opened, evicted } = compared;
  const { tasks, chunks, bytes } = copied;
  const problems = [...compared.problems, ...copied.problems].slice(0, 20);
  return { repositories, opened, tasks, chunks, bytes, ready: compared.ready + copied.ready, evicted, problems };
}
