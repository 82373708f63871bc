/** Deleting: what is in the intent and was not named again since. Only keys of this run, and no key is ever written again. */
import type { CollectRun } from "../../../shared/contract/collect.ts";
import { FingerprintSet, holdsFingerprint } from "../fingerprints.ts";
import { readFlag } from "../intents.ts";
import { chunkOfKey, envelopeOfKey, finalKey, intentKey, verifiedKey } from "../layout.ts";
import type { Ports } from "../ports.ts";
import { releaseChunks } from "./release.ts";
import { readEnvelopes } from "./scan.ts";
import { fingerprintOfKey, partitionsOf, readKeys, readLive } from "./work.ts";

const BATCH = 1000;
/** Envelopes that are in memory at once. */
const DEAD_BATCH = 10;

/**
 * Settles what will go: garbage that the stored intent has, and that nobody named since. Written once: whoever comes second, with
 * another list of garbage, deletes by the first one's final. Moves on to `delete`.
 */
export async function finalStep(ports: Ports, state: CollectRun): Promise<CollectRun> {
  const { bucket } = ports.stores.home;
  const intent = await readFlag(ports, intentKey(state.run));
  const final = new FingerprintSet();
  for (const partition of partitionsOf(state)) {
    const again = await readLive(bucket, state.run, "again", partition);
    for (const key of await readKeys(bucket, state.run, "garbage", partition)) {
      const fingerprint = fingerprintOfKey(key);
      if (holdsFingerprint(intent, fingerprint) && !holdsFingerprint(again, fingerprint)) final.add(fingerprint);
    }
  }
  await bucket.create(finalKey(state.run), final.sorted());
  return { ...state, phase: "delete", part: 0 };
}

/** Partitions from the state's `part` on, then the dead envelopes, batch by batch. Moves on to `done`. */
export async function deleteStep(ports: Ports, state: CollectRun, deadlineMs: number): Promise<CollectRun> {
  const partitions = partitionsOf(state);
  const final = await readFlag(ports, finalKey(state.run));
  let next = state;
  while (next.part < partitions.length) {
    const keys = await finalKeys(ports, next.run, partitions[next.part] ?? "", final);
    await deleteKeys(ports, keys);
    next = { ...next, deleted: next.deleted + keys.length, part: next.part + 1 };
    if (ports.clock.now() >= deadlineMs) return next;
  }
  for (let at = (next.part - partitions.length) * DEAD_BATCH; at < state.deadEnvelopes.length; at += DEAD_BATCH) {
    await deleteEnvelopes(ports, state.deadEnvelopes.slice(at, at + DEAD_BATCH));
    next = { ...next, part: next.part + 1 };
    if (ports.clock.now() >= deadlineMs) return next;
  }
  return { ...next, phase: "done" };
}

async function deleteEnvelopes(ports: Ports, keys: readonly string[]): Promise<void> {
  const { bucket } = ports.stores.home;
  const read = await readEnvelopes(
    ports,
    keys.map((key) => ({ key, sizeBytes: 0, modifiedAtMs: 0 })),
  );
  await releaseChunks(
    ports,
    read.map(({ envelope }) => envelope),
  );
  await bucket.delete(keys);
  // What was seen of their claimed chunks, if they had any.
  await bucket.delete(keys.map((key) => verifiedKey(envelopeOfKey(key))));
}

async function deleteKeys(ports: Ports, keys: readonly string[]): Promise<void> {
  for (let at = 0; at < keys.length; at += BATCH) {
    const batch = keys.slice(at, at + BATCH);
    // The index first: nobody is to be told `have` for a key that goes now. Who was told before is stopped by the flags.
    await ports.chunks.remove(batch.map(chunkOfKey));
    await ports.stores.home.bucket.delete(batch);
  }
}

/** Removes a run's keys from the index once more: a managed Redis may have brought back what was removed. */
export async function scrubIndex(ports: Ports, state: CollectRun, flag: Uint8Array): Promise<void> {
  for (const partition of partitionsOf(state)) {
    const keys = await finalKeys(ports, state.run, partition, flag);
    for (let at = 0; at < keys.length; at += BATCH) await ports.chunks.remove(keys.slice(at, at + BATCH).map(chunkOfKey));
  }
}

async function finalKeys(ports: Ports, run: string, partition: string, flag: Uint8Array): Promise<string[]> {
  const garbage = await readKeys(ports.stores.home.bucket, run, "garbage", partition);
  return garbage.filter((key) => holdsFingerprint(flag, fingerprintOfKey(key)));
}
