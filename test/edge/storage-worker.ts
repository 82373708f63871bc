/** Runs inside workerd for storage.test.ts: uses a store as the Worker would, and tells what came of it. */
import * as z from "zod";
import type { Stores } from "../../functions/registry/ports.ts";
import { S3Profile, StoreCredentials } from "../../functions/storage/profile.ts";
import { makeStores } from "../../functions/storage/stores.ts";
import { workerHasher } from "../../functions/worker-hasher.ts";
import { Digest } from "../../shared/digest.ts";
import { FerryError } from "../../shared/errors.ts";
import { ticketRequest } from "../../shared/tickets.ts";

const Settings = z.object({ profile: S3Profile, credentials: StoreCredentials });
type Settings = z.infer<typeof Settings>;

/** Of the one byte "x". */
const sha256 = Digest.parse("2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881");

export default {
  async fetch(request: Request): Promise<Response> {
    const settings = Settings.parse(await request.json());
    const stores = storesOf(settings);
    const stray = storesOf({ ...settings, profile: { ...settings.profile, bucket: "no-such-bucket" } });
    return Response.json({
      ...(await useBucket(stores)),
      ...(await useChunks(stores)),
      problem: await problemOf(() => stray.home.bucket.list("")),
      probe: await stores.home.probe(),
    });
  },
};

function storesOf({ profile, credentials }: Settings): Stores {
  return makeStores({
    profiles: [profile],
    credentials: { [profile.id]: credentials },
    homeId: profile.id,
    clock: { now: () => Date.now() },
    random: { bytes: (count) => crypto.getRandomValues(new Uint8Array(count)) },
    hasher: workerHasher,
    fetch: (...input) => fetch(...input),
  });
}

async function useBucket({ home: { bucket } }: Stores) {
  const keys = Array.from({ length: 30 }, (_, at) => `edge/${String(at).padStart(2, "0")}`);
  for (const key of keys) await bucket.put(key, new TextEncoder().encode(key));
  const listed = await bucket.list("edge/", { limit: 20 });
  const absent = await bucket.get("edge/none");
  const again = await bucket.create("edge/00", new Uint8Array(1));
  await bucket.delete(keys);
  return { listed, absent, again, left: await bucket.list("edge/") };
}

async function useChunks({ home: { chunks } }: Stores) {
  const places = ["0".repeat(16), "1".repeat(16)].map((tag) => ({ sha256, size: 1, tag }));
  const batch = await chunks.tickets("payload", places);
  const statuses: number[] = [];
  for (const item of batch.items.slice(0, 1)) {
    const { url, ...init } = ticketRequest(batch, item);
    statuses.push((await fetch(url, { ...init, body: "x" })).status);
  }
  const contents = await Promise.all(places.map((place) => chunks.content(place)));
  return { statuses, lengths: await chunks.lengths(places), contents };
}

async function problemOf(act: () => Promise<unknown>): Promise<unknown> {
  try {
    await act();
    return "no error";
  } catch (error) {
    return error instanceof FerryError ? error.details["problem"] : String(error);
  }
}
