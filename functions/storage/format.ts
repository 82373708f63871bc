/** sys/format.json: which bucket this is, and what its last probe has proven. */
import * as z from "zod";
import { ProbeResult } from "../../shared/contract/stores.ts";
import { toHex } from "../../shared/digest.ts";
import { isoTime } from "../../shared/time.ts";
import { FORMAT_KEY } from "../registry/layout.ts";
import type { Bucket, Clock, Random } from "../registry/ports.ts";
import { decodeRecord } from "../registry/records.ts";

/** Loose: what a later version adds survives a probe by this one. An unknown `v` is refused. */
const Format = z.looseObject({ v: z.literal(1), bucketId: z.string(), createdAt: z.iso.datetime(), probe: ProbeResult.nullable() });
type Format = z.infer<typeof Format>;

/** Null when nobody has probed the store yet. Throws LOG_DAMAGED when the object is there but not to be read. */
export async function readFormat(bucket: Bucket): Promise<Format | null> {
  const bytes = await bucket.get(FORMAT_KEY);
  return bytes === null ? null : decodeRecord(Format, bytes, FORMAT_KEY);
}

/** Keeps `probe` as the newest result. The bucket's id is made by the first probe and stays. */
export async function writeProbe(bucket: Bucket, probe: ProbeResult, { clock, random }: { clock: Clock; random: Random }): Promise<void> {
  const known = await readFormat(bucket);
  const format: Format = known ?? { v: 1, bucketId: toHex(random.bytes(16)), createdAt: isoTime(clock.now()), probe: null };
  const bytes = new TextEncoder().encode(JSON.stringify({ ...format, probe }));
  if (known !== null) return bucket.put(FORMAT_KEY, bytes);
  // Two first probes at once: the loser takes the winner's id.
  if ((await bucket.create(FORMAT_KEY, bytes)) === "exists") await writeProbe(bucket, probe, { clock, random });
}
