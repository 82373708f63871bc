/** Deleting: what is in the intent and was not named again since. Only keys of this run, and no key is ever written again. */
import type { CollectRun } from "../../../shared/contract/collect.ts";
import { holdsFingerprint } from "../fingerprints.ts";
import { chunkOfKey, INTENT_PREFIX, RUN_PREFIX, runKey, workPrefix } from "../layout.ts";
import { listAll, pagesOf } from "../listing.ts";
import type { Ports } from "../ports.ts";
import { fingerprintOfKey, partitionsOf, readKeys, readLive, writeKeys } from "./work.ts";

const BATCH = 1000;

/** Partitions from the state's `part` on, then the dead envelopes. Moves on to `done`. */
export async function deleteStep(ports: Ports, state: CollectRun, deadlineMs: number): Promise<CollectRun> {
  const partitions = partitionsOf(state);
  let next = state;
  while (next.part < partitions.length) {
    const deleted = await deletePartition(ports, next.run, partitions[next.part] ?? "");
    next = { ...next, deleted: next.deleted + deleted, part: next.part + 1 };
    if (ports.clock.now() >= deadlineMs) return next;
  }
  for (let at = 0; at < state.deadEnvelopes.length; at += BATCH)
    await ports.stores.home.bucket.delete(state.deadEnvelopes.slice(at, at + BATCH));
  return { ...next, phase: "done" };
}

async function deletePartition(ports: Ports, run: string, partition: string): Promise<number> {
  const { bucket } = ports.stores.home;
  const garbage = await readKeys(bucket, run, "garbage", partition);
  if (garbage.length === 0) return 0;
  const again = await readLive(bucket, run, "again", partition);
  const final = garbage.filter((key) => !holdsFingerprint(again, fingerprintOfKey(key)));
  await writeKeys(bucket, run, "final", partition, final);
  for (let at = 0; at < final.length; at += BATCH) {
    const keys = final.slice(at, at + BATCH);
    // The index first: nobody is to be told `have` for a key that goes now. Who was told before is stopped by the intent.
    await ports.chunks.remove(keys.map(chunkOfKey));
    await bucket.delete(keys);
  }
  return final.length;
}

/** Forgets runs that ended long ago, with their intents: no upload lives long enough to bring their keys again. */
export async function tidy(ports: Ports, nowMs: number): Promise<void> {
  const { bucket } = ports.stores.home;
  const isOld = ({ modifiedAtMs }: { modifiedAtMs: number }) => modifiedAtMs < nowMs - ports.margins.retainMs;
  const runs = (await listAll(bucket, RUN_PREFIX)).filter(isOld).map(({ key }) => key.slice(RUN_PREFIX.length, -".json".length));
  for (const run of runs) {
    for await (const page of pagesOf(bucket, workPrefix(run))) await bucket.delete(page.map(({ key }) => key));
    await bucket.delete([runKey(run)]);
  }
  await bucket.delete((await listAll(bucket, INTENT_PREFIX)).filter(isOld).map(({ key }) => key));
}
