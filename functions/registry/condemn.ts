/**
 * Chunk keys that no commit may take any more although collection does not want them: their objects are missing or wrong. As with
 * collection's own flags, whoever would name them again is told to send the bytes anew, under a fresh key. These flags are never taken back:
 * a key that was wrong once is not worth trying.
 */
import { type Digest, sha256 } from "../../shared/digest.ts";
import { FingerprintSet, fingerprintOf } from "./fingerprints.ts";
import { FLAG_PREFIX } from "./layout.ts";
import type { Ports } from "./ports.ts";

/** Flags come first, the index after: who was told `have` before is stopped at the commit. Doing it again changes nothing. */
export async function condemn(ports: Ports, places: readonly { sha256: Digest; tag: string }[]): Promise<void> {
  if (places.length === 0) return;
  const set = new FingerprintSet();
  for (const place of places) set.add(fingerprintOf(place.sha256, place.tag));
  const bytes = set.sorted();
  // Named by what it holds; sorts before collection's runs, which begin with a time.
  await ports.stores.home.bucket.create(`${FLAG_PREFIX}bad-${(await sha256(bytes)).slice(0, 32)}.intent`, bytes);
  await ports.chunks.remove(places);
}
