/** A run's work objects, by partition (the first digits of the digest, none to two): fingerprints of live chunks, and the keys of garbage. */
import type { CollectRun } from "../../../shared/contract/collect.ts";
import type { Digest } from "../../../shared/digest.ts";
import { FerryError } from "../../../shared/errors.ts";
import { checkFingerprints, FingerprintSet, fingerprintOf, sortFingerprints } from "../fingerprints.ts";
import { chunkOfKey, workKey, workPrefix } from "../layout.ts";
import { listAll } from "../listing.ts";
import { pooled, STORE_WIDTH } from "../pool.ts";
import type { Bucket } from "../ports.ts";

/** All partitions of a run, in order. */
export function partitionsOf({ digits }: Pick<CollectRun, "digits">): string[] {
  return digits === 0 ? [""] : Array.from({ length: 16 ** digits }, (_, at) => at.toString(16).padStart(digits, "0"));
}

/** `live`: named by records; `pending`: named by envelopes that may be committed yet; `again`: named by what was written since the scan began. */
export type LiveKind = "live" | "pending" | "again";

/** Live chunks found by one step: memory is 16 bytes a chunk. */
export class LiveChunks {
  readonly #digits: number;
  readonly #sets = new Map<string, FingerprintSet>();
  count = 0;

  constructor({ digits }: Pick<CollectRun, "digits">) {
    this.#digits = digits;
  }

  add(sha256: Digest, tag: string): void {
    const partition = sha256.slice(0, this.#digits);
    const set = this.#sets.get(partition) ?? new FingerprintSet();
    this.#sets.set(partition, set);
    set.add(fingerprintOf(sha256, tag));
    this.count++;
  }

  /**
   * One object for each partition. `name` is of this write alone: a step that is done again, a PUT that lands late, or a server that was
   * paused past its lease adds to what is there and never takes its place. More than is needed only keeps more.
   */
  async write(bucket: Bucket, run: string, kind: LiveKind, name: string): Promise<void> {
    await pooled([...this.#sets], STORE_WIDTH, ([partition, set]) =>
      bucket.put(workKey(run, `${kind}-${partition}-${name}`), set.sorted()),
    );
  }
}

/** All live fingerprints of a partition that a scan has written, sorted. */
export async function readLive(bucket: Bucket, run: string, kind: LiveKind, partition: string): Promise<Uint8Array> {
  const objects = await listAll(bucket, `${workPrefix(run)}${kind}-${partition}-`);
  const parts = await pooled(objects, STORE_WIDTH, async ({ key }) => {
    const bytes = await bucket.get(key);
    // A lost part would turn its chunks into garbage.
    if (bytes === null) throw missing(key);
    return checkFingerprints(bytes, key);
  });
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    all.set(part, offset);
    offset += part.length;
  }
  return parts.length > 1 ? sortFingerprints(all) : all;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Keys of chunks, one a line. */
export async function writeKeys(bucket: Bucket, run: string, kind: "garbage", partition: string, keys: readonly string[]): Promise<void> {
  await bucket.put(workKey(run, `${kind}-${partition}`), encoder.encode(keys.join("\n")));
}

export async function readKeys(bucket: Bucket, run: string, kind: "garbage", partition: string): Promise<string[]> {
  const bytes = await bucket.get(workKey(run, `${kind}-${partition}`));
  if (bytes === null) throw missing(workKey(run, `${kind}-${partition}`));
  return bytes.length === 0 ? [] : decoder.decode(bytes).split("\n");
}

export function fingerprintOfKey(key: string): Uint8Array {
  const { sha256, tag } = chunkOfKey(key);
  return fingerprintOf(sha256, tag);
}

/** A run's intent: the sorted fingerprints of these keys. */
export function intentOf(keys: Iterable<string>): Uint8Array {
  const set = new FingerprintSet();
  for (const key of keys) set.add(fingerprintOfKey(key));
  return set.sorted();
}

function missing(key: string): FerryError {
  return new FerryError("COLLECT_REFUSED", { problem: `${key} is missing` });
}
