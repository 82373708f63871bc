/**
 * Claimed chunks: of whose content a store has checked no more than an MD5 that the uploader chose (docs/decisions/0003). Their own
 * repository alone may name them, until a job has read them and seen their SHA-256. An envelope that names any is noted in the bucket, in
 * publish.ts; the job reads them, tells the index which are right, and keeps what it saw in the bucket, for an index may be lost.
 */
import * as z from "zod";
import { Digest } from "../../shared/digest.ts";
import { claimedKey, type EnvelopeName, verifiedKey } from "./layout.ts";
import type { Ports } from "./ports.ts";
import { decodeRecord, encodeRecord } from "./records.ts";

/** What the job has seen of an envelope's claimed chunks: all but these were there and right. */
const Verified = z.strictObject({ v: z.literal(1), wrong: z.array(Digest), missing: z.array(Digest) });
type Verified = z.infer<typeof Verified>;

/** The top bit of the tag tells. */
export function isClaimed(tag: string): boolean {
  return Number.parseInt(tag.slice(0, 2), 16) >= 0x80;
}

/** Notes an envelope for the job. Doing it twice, or for nothing, costs a read. */
export async function noteClaimed(ports: Ports, name: EnvelopeName): Promise<void> {
  await ports.stores.home.bucket.put(claimedKey(name), new Uint8Array());
}

/** Of an envelope's claimed chunks, those that are not what they are called, or not there; null: they were not read yet. */
export async function wrongClaims(ports: Ports, name: EnvelopeName): Promise<ReadonlySet<Digest> | null> {
  const bytes = await ports.stores.home.bucket.get(verifiedKey(name));
  if (bytes === null) return null;
  const { wrong, missing } = decodeRecord(Verified, bytes, verifiedKey(name));
  return new Set([...wrong, ...missing]);
}

/** The job is done with an envelope. */
export async function keepVerified(ports: Ports, name: EnvelopeName, seen: { wrong: Digest[]; missing: Digest[] }): Promise<void> {
  const { bucket } = ports.stores.home;
  await bucket.put(verifiedKey(name), encodeRecord({ v: 1, ...seen } satisfies Verified));
  await bucket.delete([claimedKey(name)]);
}
