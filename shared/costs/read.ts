/** The report of a deployment, asked of its API. */
import type { FerryClient } from "../client.ts";
import { wholeUsage } from "../deployment-usage.ts";
import { epochMs } from "../time.ts";
import { type CostReport, estimate, type Wish } from "./estimate.ts";

/**
 * Null: nothing was counted yet. `as`: as if every store were that provider's. Without `index` and `runtime` they are those that go with a
 * store in the cloud.
 */
export async function readCosts(
  client: FerryClient,
  nowMs: number,
  { prices, index, runtime, as }: Pick<Wish, "prices"> & Partial<Wish> & { as?: string },
  signal?: AbortSignal,
): Promise<CostReport | null> {
  const [{ since, counts }, { stores: real }, usage] = await Promise.all([
    client.call("readCounters", {}, signal),
    client.call("listStores", {}, signal),
    wholeUsage(client, signal),
  ]);
  if (since === null) return null;
  const stores = real.map((store) => ({ ...store, provider: as ?? store.provider }));
  const home = stores.find((store) => store.home);
  const inCloud = home !== undefined && prices.stores[home.provider] !== undefined;
  const storedBytes = usage.measured?.bytes ?? usage.storedBytes;
  const objects = usage.measured?.chunks ?? usage.objects;
  return estimate(
    { sinceMs: epochMs(since), nowMs, counts, storedBytes, objects, stores },
    { prices, index: index ?? (inCloud ? "upstash" : "own"), runtime: runtime ?? (inCloud ? "workers" : "own") },
  );
}
