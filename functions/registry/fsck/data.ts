/** The fourth phase: reading chunks, and hashing what they hold. First those of which nobody has seen more than an MD5, if that is wanted. */
import type { BadChunk, FsckRun } from "../../../shared/contract/fsck.ts";
import type { Digest } from "../../../shared/digest.ts";
import { CHUNK_PREFIX, chunkOfKey } from "../layout.ts";
import { pooled } from "../pool.ts";
import type { ObjectInfo, Ports } from "../ports.ts";
import { readClaims } from "../recovery/verify-claimed.ts";
import { badChunk, withBad } from "./findings.ts";
import { partitionsFor, readNamed } from "./named.ts";

/** Chunks that are read at once. */
const READ_WIDTH = 3;
/** Keys between two looks at the clock. */
const SLICE = 12;
/** In the cursor's place while claimed chunks are read. */
const CLAIMS = "claims";

/** A null cursor in the answer: all was read. */
export async function dataStep(ports: Ports, state: FsckRun, deadlineMs: number): Promise<FsckRun> {
  const run = state.cursor === null && state.verifyClaimed ? { ...state, cursor: CLAIMS } : state;
  if (run.cursor === CLAIMS) return claimsStep(ports, run, deadlineMs);
  return run.readPermille === 0 ? { ...run, cursor: null } : chosenStep(ports, run, deadlineMs);
}

async function claimsStep(ports: Ports, state: FsckRun, deadlineMs: number): Promise<FsckRun> {
  const claims = await readClaims(ports, Number.POSITIVE_INFINITY, deadlineMs);
  const detail = "its uploader gave the MD5 of other bytes";
  const bad = [
    ...claims.wrong.map((place) => badChunk(place, "chunk.corrupt", detail)),
    ...claims.missing.map((place) => badChunk(place, "chunk.missing")),
  ];
  const read = { read: state.read + claims.chunks, readBytes: state.readBytes + claims.bytes, verified: state.verified + claims.right };
  const run = withBad({ ...state, ...read }, bad);
  if (claims.left) return run;
  return state.readPermille === 0 ? { ...run, cursor: null } : { ...run, cursor: CHUNK_PREFIX };
}

async function chosenStep(ports: Ports, state: FsckRun, deadlineMs: number): Promise<FsckRun> {
  const named = new NamedByPartition(ports, state);
  let run = state;
  for (let cursor = state.cursor ?? CHUNK_PREFIX; ; ) {
    const { objects, more } = await ports.stores.home.bucket.list(CHUNK_PREFIX, { after: cursor });
    for (let at = 0; at < objects.length; at += SLICE) {
      if (ports.clock.now() >= deadlineMs) return { ...run, cursor };
      const slice = objects.slice(at, at + SLICE);
      run = await readChosen(ports, run, slice, named);
      cursor = slice.at(-1)?.key ?? cursor;
    }
    if (!more) return { ...run, cursor: null };
  }
}

async function readChosen(ports: Ports, state: FsckRun, objects: readonly ObjectInfo[], named: NamedByPartition): Promise<FsckRun> {
  let run = state;
  const bad: BadChunk[] = [];
  await pooled(objects, READ_WIDTH, async ({ key }) => {
    const place = placeOf(key);
    if (place === null || !isChosen(place.sha256, state)) return;
    const size = await named.sizeOf(place.sha256, place.tag);
    if (size === undefined) return;
    const content = await ports.stores.home.chunks.content(place);
    run = { ...run, read: run.read + 1, readBytes: run.readBytes + (content?.sizeBytes ?? 0) };
    if (content === null) bad.push(badChunk({ ...place, size }, "chunk.missing"));
    else if (content.sha256 !== place.sha256)
      bad.push(badChunk({ ...place, size }, "chunk.corrupt", `its bytes have the digest ${content.sha256}`));
  });
  return withBad(run, bad);
}

/** By the digest and the run's own name, so that each run chooses others, and a step that is done again the same. */
function isChosen(sha256: Digest, { readPermille, run }: FsckRun): boolean {
  const mixed = (Number.parseInt(sha256.slice(8, 16), 16) ^ Number.parseInt(run.slice(-8), 16)) >>> 0;
  return mixed < (readPermille / 1000) * 2 ** 32;
}

function placeOf(key: string): { sha256: Digest; tag: string } | null {
  try {
    return chunkOfKey(key);
  } catch {
    return null;
  }
}

/** One partition at a time is in memory: keys come in order. */
class NamedByPartition {
  readonly #ports: Ports;
  readonly #state: FsckRun;
  readonly #digits: number;
  #partition = "";
  #named: Promise<Map<string, number>> = Promise.resolve(new Map());

  constructor(ports: Ports, state: FsckRun) {
    this.#ports = ports;
    this.#state = state;
    this.#digits = partitionsFor(state.named)[0]?.length ?? 1;
  }

  async sizeOf(sha256: Digest, tag: string): Promise<number | undefined> {
    const partition = sha256.slice(0, this.#digits);
    if (partition !== this.#partition) {
      this.#partition = partition;
      this.#named = readNamed(this.#ports.stores.home.bucket, this.#state.run, partition);
    }
    return (await this.#named).get(`${sha256}~${tag}`);
  }
}
