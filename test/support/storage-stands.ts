/** Real and memory stores for the storage suites, each with a clock that the test may turn. */
import type { Clock, Store } from "../../functions/registry/ports.ts";
import { S3Profile } from "../../functions/storage/profile.ts";
import { makeStores } from "../../functions/storage/stores.ts";
import type { Store as StoreSettings } from "../../scripts/stack/stores.ts";
import { startCeph, whyNoCeph } from "./ceph.ts";
import { memoryStores } from "./memory-bucket.ts";
import { startTestS3 } from "./stack.ts";

/** The machine's clock, moved by `offsetMs`. */
export class TurnedClock implements Clock {
  offsetMs = 0;

  now(): number {
    return Date.now() + this.offsetMs;
  }
}

export type Stand = { store: Store; clock: TurnedClock; fetch: typeof fetch; close(): Promise<void> };

export async function memoryStand(): Promise<Stand> {
  const clock = new TurnedClock();
  const stores = memoryStores({ clock });
  return { store: stores.home, clock, fetch: stores.fetch, close: async () => {} };
}

/** @param prefix of the store, so that both a bare bucket and a shared one are tried. */
export async function localR2Stand(prefix = ""): Promise<Stand> {
  const s3 = await startTestS3(["home"]);
  const [settings] = s3.stores;
  if (settings === undefined) throw new Error("startTestS3 made no store");
  return { ...standOf({ ...settings, prefix }), close: s3.stop };
}

export async function cephStand(prefix = "team/models"): Promise<Stand | { reason: string }> {
  const why = whyNoCeph();
  if (why !== false) return { reason: why };
  const ceph = await startCeph();
  if ("reason" in ceph) return ceph;
  return { ...standOf({ ...(await ceph.makeStore("ceph")), prefix }), close: ceph.stop };
}

export function storeOf(settings: StoreSettings, world: { clock: Clock; fetch?: typeof fetch }): Store {
  const { accessKeyId, secretAccessKey, ...rest } = settings;
  const profile = S3Profile.parse(rest);
  const stores = makeStores({
    profiles: [profile],
    credentials: { [profile.id]: { accessKeyId, secretAccessKey } },
    homeId: profile.id,
    random: { bytes: (count) => crypto.getRandomValues(new Uint8Array(count)) },
    fetch: (...input) => fetch(...input),
    ...world,
  });
  return stores.home;
}

function standOf(settings: StoreSettings): Omit<Stand, "close"> {
  const clock = new TurnedClock();
  return { store: storeOf(settings, { clock }), clock, fetch: (...input) => fetch(...input) };
}
