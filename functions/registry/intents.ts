/**
 * The flags of collection that every writer must look at after it published its envelope and before it commits: chunk keys that a
 * collection run intends to delete. One of the two must see the other, since each writes its flag before it looks (model-checked:
 * test/models). A run has an intent and, once it has looked again, a final, which is part of the intent: one immutable object each
 * (docs/decisions/0002) of sorted fingerprints of keys. What the second look has saved is not condemned any more.
 */
import type { Digest } from "../../shared/digest.ts";
import { FerryError } from "../../shared/errors.ts";
import { checkFingerprints, fingerprintOf, holdsFingerprint } from "./fingerprints.ts";
import { FLAG_PREFIX } from "./layout.ts";
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

/** Of each retained run the final, or the intent while there is no final. */
async function readIntents(ports: Ports): Promise<Uint8Array[]> {
  const { bucket } = ports.stores.home;
  const keys = (await listAll(bucket, FLAG_PREFIX)).map(({ key }) => key);
  const finals = new Set(keys.filter((key) => key.endsWith(".final")));
  const wanted = keys.filter((key) => key.endsWith(".final") || !finals.has(key.replace(/\.intent$/, ".final")));
  return pooled(wanted, STORE_WIDTH, (key) => readFlag(ports, key));
}

/** A flag that was listed and is gone, or is damaged, can't be judged: refuse rather than guess. */
export async function readFlag(ports: Ports, key: string): Promise<Uint8Array> {
  const cached = ports.cache.get<Uint8Array>(key);
  if (cached !== undefined) return cached;
  const bytes = await ports.stores.home.bucket.get(key);
  if (bytes === null) throw new FerryError("STORAGE_UNAVAILABLE", { store: "home", problem: `${key} can't be read` });
  ports.cache.set(key, checkFingerprints(bytes, key), bytes.length);
  return bytes;
}
