/** Where a chunk may be whole although the place that a revision names is not: under other keys at home, and in other stores. */
import type { BadChunk } from "../../../shared/contract/fsck.ts";
import type { Digest } from "../../../shared/digest.ts";
import { FerryError } from "../../../shared/errors.ts";
import { chunkKey, chunkOfKey } from "../layout.ts";
import type { Ports, Store, WriteMode } from "../ports.ts";

export type Copy = { store: Store; tag: string };
/** `isBad`: places at home that are known to be wrong. `unasked`: gets the stores that did not answer. */
export type Search = { ports: Ports; isBad: (place: { sha256: Digest; tag: string }) => boolean; unasked: Set<string> };

/**
 * Objects of the chunk's name and length, home's first: whoever keeps them, and whether or not anybody does. Nobody has read them yet.
 * Stores that only agents reach are not asked.
 */
export async function* copiesOf({ ports, isBad, unasked }: Search, { sha256, size }: BadChunk): AsyncGenerator<Copy> {
  const { home } = ports.stores;
  const others = ports.stores.all().filter(({ profile }) => profile.id !== home.profile.id && profile.reach !== "agent");
  for (const store of [home, ...others]) {
    const listed = await asked(store, unasked, () => store.bucket.list(chunkKey(sha256, "")));
    for (const { key, sizeBytes } of listed?.objects ?? []) {
      const { tag } = chunkOfKey(key);
      if (sizeBytes === size && !(store === home && isBad({ sha256, tag }))) yield { store, tag };
    }
  }
}

/** Copies it to home under a key of its own. False: it is not what it is called, or went away; nothing names what was written of it. */
export async function copyHome({ ports, unasked }: Search, mode: WriteMode, { store, tag: from }: Copy, place: Place): Promise<boolean> {
  const { chunks } = ports.stores.home;
  const isRight = await asked(store, unasked, async () => {
    const body = await store.chunks.read({ sha256: place.sha256, tag: from });
    if (body === null || (await chunks.write(mode, place, body)) === "refused") return false;
    if (mode !== "unchecked") return true;
    const content = await chunks.content(place);
    return content?.sha256 === place.sha256 && content.sizeBytes === place.size;
  });
  return isRight ?? false;
}

export type Place = { sha256: Digest; size: number; tag: string };

const TRIES = 3;

/** Null, and noted, when there was no answer. A stream can't be sent again, so a try is all of it. */
async function asked<T>({ profile }: Store, unasked: Set<string>, work: () => Promise<T>): Promise<T | null> {
  for (let count = 1; ; count++) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof FerryError) || error.code !== "STORAGE_UNAVAILABLE") throw error;
      if (count < TRIES) continue;
      unasked.add(profile.id);
      return null;
    }
  }
}
