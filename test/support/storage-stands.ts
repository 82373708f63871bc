/** Real and memory stores for the storage suites, each with a clock that the test may turn. */
import { nodeHasher } from "../../functions/node/hasher.ts";
import type { Clock, Store } from "../../functions/registry/ports.ts";
import { S3Profile } from "../../functions/storage/profile.ts";
import { makeStores } from "../../functions/storage/stores.ts";
import type { Store as StoreSettings } from "../../scripts/stack/stores.ts";
import { startCeph, whyNoCeph } from "./ceph.ts";
import { FAKE_KEYS, FAKE_REGION, FakeS3 } from "./fake-s3.ts";
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

export async function fakeS3Stand(): Promise<Stand> {
  const clock = new TurnedClock();
  const s3 = new FakeS3();
  const settings = {
    id: "fake",
    provider: "s3",
    endpoint: s3.endpoint,
    region: FAKE_REGION,
    bucket: s3.bucket,
    addressing: "path" as const,
  };
  return { store: storeOf({ ...settings, ...FAKE_KEYS }, { clock, fetch: s3.fetch }), clock, fetch: s3.fetch, close: async () => {} };
}

/** @param changes to the settings, such as a prefix or another provider. */
export async function localR2Stand(changes: Partial<StoreSettings> = {}): Promise<Stand> {
  const s3 = await startTestS3(["home"]);
  const [settings] = s3.stores;
  if (settings === undefined) throw new Error("startTestS3 made no store");
  return { ...standOf({ ...settings, ...changes }), close: s3.stop };
}

export async function cephStand(changes: Partial<StoreSettings> = {}): Promise<Stand | { reason: string }> {
  const why = whyNoCeph();
  if (why !== false) return { reason: why };
  const ceph = await startCeph();
  if ("reason" in ceph) return ceph;
  return { ...standOf({ ...(await ceph.makeStore("ceph")), prefix: "team/models", ...changes }), close: ceph.stop };
}

export function storeOf(settings: StoreSettings, world: { clock: Clock; fetch?: typeof fetch }): Store {
  const { accessKeyId, secretAccessKey, ...rest } = settings;
  const profile = S3Profile.parse(rest);
  const stores = makeStores({
    profiles: [profile],
    credentials: { [profile.id]: { accessKeyId, secretAccessKey } },
    homeId: profile.id,
    random: { bytes: (count) => crypto.getRandomValues(new Uint8Array(count)) },
    hasher: nodeHasher,
    fetch: (...input) => fetch(...input),
    ...world,
  });
  return stores.home;
}

function standOf(settings: StoreSettings): Omit<Stand, "close"> {
  const clock = new TurnedClock();
  return { store: storeOf(settings, { clock }), clock, fetch: (...input) => fetch(...input) };
}
