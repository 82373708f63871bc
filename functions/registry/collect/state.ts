/** Where a run of collection is: one object in the bucket, written by whoever holds the lease. Losing the lease costs repeated work, no more. */
import { CollectRun } from "../../../shared/contract/collect.ts";
import { FerryError } from "../../../shared/errors.ts";
import { RUN_PREFIX, runKey } from "../layout.ts";
import { listAll } from "../listing.ts";
import type { Ports } from "../ports.ts";
import { decodeRecord, encodeRecord } from "../records.ts";

export async function loadRun(ports: Ports, run: string): Promise<CollectRun | null> {
  const bytes = await ports.stores.home.bucket.get(runKey(run));
  return bytes === null ? null : decodeRecord(CollectRun, bytes, runKey(run));
}

/** Writes the state and returns the store's own time of that moment, in milliseconds since 1970. */
export async function saveRun(ports: Ports, state: CollectRun): Promise<number> {
  const { bucket } = ports.stores.home;
  await bucket.put(runKey(state.run), encodeRecord(state));
  const written = await bucket.head(runKey(state.run));
  if (written === null) throw new FerryError("STORAGE_UNAVAILABLE", { store: "home", problem: "a write is not seen after it" });
  return written.modifiedAtMs;
}

/** Names of all runs that are still recorded, oldest first. */
export async function listRuns(ports: Ports): Promise<string[]> {
  const objects = await listAll(ports.stores.home.bucket, RUN_PREFIX);
  return objects.map(({ key }) => key.slice(RUN_PREFIX.length).replace(/\.json$/, ""));
}

export async function newestRun(ports: Ports): Promise<CollectRun | null> {
  const run = (await listRuns(ports)).at(-1);
  return run === undefined ? null : loadRun(ports, run);
}
