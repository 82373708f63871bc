/** The third phase: the chunks in the store against those that revisions name. */
import type { BadChunk, FsckRun } from "../../../shared/contract/fsck.ts";
import { Digest } from "../../../shared/digest.ts";
import { listRuns, loadRun } from "../collect/state.ts";
import { fingerprintOf, holdsFingerprint } from "../fingerprints.ts";
import { readFlag } from "../intents.ts";
import { CHUNK_PREFIX, chunkOfKey, finalKey } from "../layout.ts";
import { pagesOf } from "../listing.ts";
import type { ObjectInfo, Ports } from "../ports.ts";
import { badChunk, type News, withBad, withFindings } from "./findings.ts";
import { partitionsFor, readNamed } from "./named.ts";

/** Partitions from the run's cursor on, until the time is up. A null cursor in the answer: all were looked at. */
export async function chunksStep(ports: Ports, state: FsckRun, deadlineMs: number): Promise<FsckRun> {
  const finals = await endedFinals(ports);
  let run = state;
  for (const partition of partitionsFor(state.named)) {
    if (state.cursor !== null && partition <= state.cursor) continue;
    run = { ...(await lookAt(ports, run, partition, finals)), cursor: partition };
    if (ports.clock.now() >= deadlineMs) return run;
  }
  return { ...run, cursor: null };
}

/** What ended runs of collection have deleted: none of it should be there. */
async function endedFinals(ports: Ports): Promise<Map<string, Uint8Array>> {
  const finals = new Map<string, Uint8Array>();
  for (const run of await listRuns(ports)) {
    const state = await loadRun(ports, run);
    if (state?.phase === "done" && state.publishedAtMs !== null) finals.set(run, await readFlag(ports, finalKey(run)));
  }
  return finals;
}

type Look = { named: Map<string, number>; finals: ReadonlyMap<string, Uint8Array>; oldMs: number; news: News[]; bad: BadChunk[] };

async function lookAt(ports: Ports, state: FsckRun, partition: string, finals: ReadonlyMap<string, Uint8Array>): Promise<FsckRun> {
  const named = await readNamed(ports.stores.home.bucket, state.run, partition);
  const look: Look = { named, finals, oldMs: state.startedAtMs - ports.margins.chunkAgeMs, news: [], bad: [] };
  let run = state;
  for await (const page of pagesOf(ports.stores.home.bucket, CHUNK_PREFIX + partition)) {
    for (const object of page) {
      run = { ...run, chunks: run.chunks + 1, chunkBytes: run.chunkBytes + object.sizeBytes };
      run = withObject(run, object, look);
    }
  }
  for (const [name, size] of named) look.bad.push(badChunk({ ...namedPlace(name), size }, "chunk.missing"));
  return withBad(withFindings(run, look.news), look.bad);
}

function withObject(run: FsckRun, object: ObjectInfo, { named, finals, oldMs, news, bad }: Look): FsckRun {
  const place = placeOf(object);
  if (place === null) {
    news.push({ kind: "stray", what: object.key, detail: "it has no business there" });
    return run;
  }
  const fingerprint = fingerprintOf(place.sha256, place.tag);
  const collected = [...finals].find(([, final]) => holdsFingerprint(final, fingerprint));
  if (collected !== undefined) news.push({ kind: "chunk.reappeared", what: object.key, detail: `run ${collected[0]} deleted it` });
  const name = `${place.sha256}~${place.tag}`;
  const size = named.get(name);
  if (size === undefined) return withOrphan(run, object, oldMs);
  named.delete(name);
  if (size !== object.sizeBytes)
    bad.push(badChunk({ ...place, size }, "chunk.length", `it has ${object.sizeBytes} bytes instead of ${size}`));
  return run;
}

function withOrphan(run: FsckRun, { sizeBytes, modifiedAtMs }: ObjectInfo, oldMs: number): FsckRun {
  if (modifiedAtMs > oldMs) return { ...run, young: run.young + 1 };
  return { ...run, orphans: run.orphans + 1, orphanBytes: run.orphanBytes + sizeBytes };
}

function placeOf({ key }: ObjectInfo): { sha256: Digest; tag: string } | null {
  try {
    return chunkOfKey(key);
  } catch {
    return null;
  }
}

function namedPlace(name: string): { sha256: Digest; tag: string } {
  const [sha256, tag = ""] = name.split("~");
  return { sha256: Digest.parse(sha256), tag };
}
