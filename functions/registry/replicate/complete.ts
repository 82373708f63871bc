/** The end of a job: everything is copied, so recipes, the marker, and the logs follow, in this order. Doing it twice does no harm. */
import type { Digest } from "../../../shared/digest.ts";
import { FerryError } from "../../../shared/errors.ts";
import { contentEntries } from "../../../shared/manifest.ts";
import { readEnvelope } from "../envelopes.ts";
import { envelopeKey, recipeKey } from "../layout.ts";
import { withWhole } from "../log.ts";
import { repositoryLog } from "../logs.ts";
import { pooled, STORE_WIDTH } from "../pool.ts";
import type { Ports } from "../ports.ts";
import { atStore } from "./at-store.ts";
import type { ReplicaJob } from "./ports.ts";
import { markReady } from "./ready.ts";
import { shipLogs } from "./ship.ts";

/** Collection takes an envelope without a marker after 26 hours at the earliest; a plan that is this old is made anew. */
export const PLAN_MS_MAX = 20 * 3_600_000;
const SHIP_MS = 10_000;

/** False: the plan is of no use any more, and was dropped; the next comparison makes another. */
export async function completeJob(ports: Ports, job: ReplicaJob): Promise<boolean> {
  if (!(await isGood(ports, job))) {
    await ports.jobs.end(job);
    return false;
  }
  const { bucket } = ports.stores.get(job.store);
  await copyRecipes(ports, job);
  await markReady(bucket, job.repositoryId, job);
  await shipLogs(ports, job.store, job.repositoryId, ports.clock.now() + SHIP_MS);
  await ports.jobs.end(job);
  const { store, repositoryId, revision, chunks, bytes } = job;
  await ports.events.record({
    type: "replica.completed",
    id: `replica-${job.job}`,
    repositoryId,
    about: { store, revision, chunks, bytes },
  });
  return true;
}

/** By the store's clock and ours: both say that the envelope is young. The revision must still be there. */
async function isGood(ports: Ports, job: ReplicaJob): Promise<boolean> {
  const envelope = await ports.stores.get(job.store).bucket.head(envelopeKey(job.manifest, job.copy));
  const since = ports.clock.now() - PLAN_MS_MAX;
  if (envelope === null || envelope.modifiedAtMs < since || job.plannedAtMs < since) return false;
  const entry = await withWhole(repositoryLog(ports, job.repositoryId), () =>
    ports.repositories.findRevision(job.repositoryId, job.revision),
  );
  return entry !== null;
}

async function copyRecipes(ports: Ports, job: ReplicaJob): Promise<void> {
  const { manifest } = await readEnvelope(atStore(ports, job.store), job.manifest, job.copy);
  const recipes = new Set(contentEntries(manifest).flatMap(({ recipe }) => (recipe === undefined ? [] : [recipe])));
  const { bucket } = ports.stores.get(job.store);
  await pooled([...recipes], STORE_WIDTH, async (recipe: Digest) => {
    if ((await bucket.head(recipeKey(recipe))) !== null) return;
    const bytes = await ports.stores.home.bucket.get(recipeKey(recipe));
    if (bytes === null) throw new FerryError("LOG_DAMAGED", { repository: recipeKey(recipe), problem: "it is missing" });
    await bucket.create(recipeKey(recipe), bytes);
  });
}
