/**
 * The flags of collection that every writer must look at after it published its envelope and before it commits: keys that a collection
 * run intends to delete. One of the two must see the other, since each writes its flag before it looks (model-checked: test/models).
 * An intent object holds sorted 16-byte hashes (the first half of SHA-256) of object keys.
 */
import { fromHex, sha256 } from "../../shared/digest.ts";
import { FerryError } from "../../shared/errors.ts";
import { INTENT_PREFIX } from "./layout.ts";
import { pooled, STORE_WIDTH } from "./pool.ts";
import type { Ports } from "./ports.ts";

const HASH_BYTES = 16;

/** Which of `keys` are condemned by any retained intent. Intents are immutable, so each is read once per isolate. */
export async function condemnedOf(ports: Ports, keys: readonly string[]): Promise<Set<string>> {
  const intents = await readIntents(ports);
  if (intents.length === 0) return new Set();
  const hashes = await Promise.all(keys.map(async (key) => fromHex(await sha256(key)).subarray(0, HASH_BYTES)));
  return new Set(keys.filter((_, at) => intents.some((intent) => holds(intent, hashes[at] ?? new Uint8Array()))));
}

async function readIntents(ports: Ports): Promise<Uint8Array[]> {
  const { bucket } = ports.stores.home;
  const keys: string[] = [];
  for (let more = true; more; ) {
    const after = keys.at(-1);
    const page = await bucket.list(INTENT_PREFIX, { limit: 1000, ...(after === undefined ? {} : { after }) });
    keys.push(...page.objects.map((object) => object.key));
    more = page.more;
  }
  return pooled(keys, STORE_WIDTH, async (key) => {
    const cached = ports.cache.get<Uint8Array>(key);
    if (cached !== undefined) return cached;
    const bytes = await bucket.get(key);
    // An intent that was listed and is gone, or is cut, can't be judged: refuse to commit rather than guess.
    if (bytes === null || bytes.length % HASH_BYTES !== 0)
      throw new FerryError("STORAGE_UNAVAILABLE", { store: "home", problem: `${key} can't be read` });
    ports.cache.set(key, bytes, bytes.length);
    return bytes;
  });
}

/** Binary search among sorted fixed-width hashes. */
function holds(sorted: Uint8Array, hash: Uint8Array): boolean {
  let low = 0;
  let high = sorted.length / HASH_BYTES;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const order = compareAt(sorted, middle * HASH_BYTES, hash);
    if (order === 0) return true;
    if (order < 0) low = middle + 1;
    else high = middle;
  }
  return false;
}

function compareAt(sorted: Uint8Array, offset: number, hash: Uint8Array): number {
  for (let i = 0; i < HASH_BYTES; i++) {
    const difference = (sorted[offset + i] ?? 0) - (hash[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
