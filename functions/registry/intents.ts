/**
 * The flags of collection that every writer must look at after it published its envelope and before it commits: chunk keys that a
 * collection run intends to delete. One of the two must see the other, since each writes its flag before it looks (model-checked:
 * test/models). An intent is one immutable object per run (docs/decisions/0002): sorted fingerprints of keys.
 */
import type { Digest } from "../../shared/digest.ts";
import { FerryError } from "../../shared/errors.ts";
import { checkFingerprints, fingerprintOf, holdsFingerprint } from "./fingerprints.ts";
import { INTENT_PREFIX } from "./layout.ts";
import { listAll } from "./listing.ts";
import { pooled, STORE_WIDTH } from "./pool.ts";
import type { Ports } from "./ports.ts";

/** Digests of the places whose keys are condemned by any retained intent. */
export async function condemnedOf(ports: Ports, places: readonly { sha256: Digest; tag: string }[]): Promise<Digest[]> {
  const intents = await readIntents(ports);
  if (intents.length === 0) return [];
  const isCondemned = ({ sha256, tag }: { sha256: Digest; tag: string }) => {
    const fingerprint = fingerprintOf(sha256, tag);
    return intents.some((intent) => holdsFingerprint(intent, fingerprint));
  };
  return places.filter(isCondemned).map(({ sha256 }) => sha256);
}

async function readIntents(ports: Ports): Promise<Uint8Array[]> {
  const { bucket } = ports.stores.home;
  const objects = await listAll(bucket, INTENT_PREFIX);
  return pooled(objects, STORE_WIDTH, async ({ key }) => {
    const cached = ports.cache.get<Uint8Array>(key);
    if (cached !== undefined) return cached;
    const bytes = await bucket.get(key);
    // An intent that was listed and is gone can't be judged: refuse to commit rather than guess.
    if (bytes === null) throw new FerryError("STORAGE_UNAVAILABLE", { store: "home", problem: `${key} can't be read` });
    ports.cache.set(key, checkFingerprints(bytes, key), bytes.length);
    return bytes;
  });
}
