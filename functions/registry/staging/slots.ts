/**
 * Slots: where a client that can only PUT to plain URLs leaves a file whose SHA-256 it claims. A slot belongs to one token, repository and
 * claim. Nothing ever names what lies in it: the file is read, held against its claim and stored as chunks before anybody commits it
 * (docs/decisions, Hub uploads), and whatever is left goes after a day.
 */
import * as z from "zod";
import type { RepositorySummary } from "../../../shared/contract/repositories.ts";
import { Digest, toHex } from "../../../shared/digest.ts";
import { FerryError } from "../../../shared/errors.ts";
import { GiB, MiB } from "../../../shared/units.ts";
import { STAGING_PREFIX, stagedPieceKey, stagingNoteKey, stagingPrefix } from "../layout.ts";
import { listAll, pagesOf } from "../listing.ts";
import { livingState } from "../living.ts";
import { pooled, STORE_WIDTH } from "../pool.ts";
import type { Caller, Ports } from "../ports.ts";
import { refuseOverQuota } from "../quota.ts";
import { decodeRecord, encodeRecord } from "../records.ts";

export const STAGED_SECONDS = 86_400;
const PIECE_BYTES = 64 * MiB;
const PIECES_MAX = 1_000;
/** Pieces are at most 5 GiB, as stores take them in one PUT. */
const FILE_BYTES_MAX = PIECES_MAX * 4 * GiB;
const SWEEP_PAGES = 20;

const SlotNote = z.strictObject({ v: z.literal(1), sha256: Digest, size: z.int().min(1) });

/** A file's place in staging, and of how many bytes its pieces are; the last one is what remains. */
export type Slot = { id: string; sha256: Digest; size: number; pieceBytes: number };

/** @param principal the token's id */
export async function slotOf(
  ports: Ports,
  principal: string,
  repository: RepositorySummary,
  file: { sha256: Digest; size: number },
): Promise<Slot> {
  const id = await slotId(ports, principal, repository, file.sha256);
  const least = Math.ceil(file.size / PIECES_MAX / MiB) * MiB;
  return { id, ...file, pieceBytes: Math.max(PIECE_BYTES, least) };
}

async function slotId(ports: Ports, principal: string, { id }: RepositorySummary, sha256: Digest): Promise<string> {
  return toHex((await ports.keyed.mac("staging", id, principal, sha256)).subarray(0, 8));
}

/** The slot that the caller opened for this file, whatever its size; null when there is none. */
export async function findSlot(ports: Ports, { tokenId }: Caller, repository: RepositorySummary, sha256: Digest): Promise<Slot | null> {
  const key = stagingNoteKey(await slotId(ports, tokenId, repository, sha256), "slot");
  const bytes = await ports.stores.home.bucket.get(key);
  if (bytes === null) return null;
  const { size } = decodeRecord(SlotNote, bytes, key);
  return slotOf(ports, tokenId, repository, { sha256, size });
}

/**
 * Opens slots. One presigned PUT for each piece, which says nothing of the content but its length. Throws SIZE_INVALID, QUOTA_EXCEEDED.
 */
export async function openSlots(
  ports: Ports,
  caller: Caller,
  repository: RepositorySummary,
  files: readonly { sha256: Digest; size: number }[],
) {
  const logicalBytes = files.reduce((sum, { size }) => sum + size, 0);
  refuseOverQuota(repository, await livingState(ports, repository), { logicalBytes, storedBytes: 0, objects: 0 });
  return pooled(files, STORE_WIDTH, async (file) => {
    if (file.size > FILE_BYTES_MAX) throw new FerryError("SIZE_INVALID", { what: "the file", expected: FILE_BYTES_MAX, actual: file.size });
    const slot = await slotOf(ports, caller.tokenId, repository, file);
    const { bucket, objects } = ports.stores.home;
    await bucket.put(stagingNoteKey(slot.id, "slot"), encodeRecord({ v: 1, sha256: file.sha256, size: file.size }));
    return { slot, urls: await objects.putUrls(piecesIn(slot), STAGED_SECONDS) };
  });
}

export function piecesIn({ id, size, pieceBytes }: Slot): { key: string; sizeBytes: number }[] {
  const count = Math.ceil(size / pieceBytes);
  return Array.from({ length: count }, (_, at) => ({
    key: stagedPieceKey(id, at + 1),
    sizeBytes: Math.min(pieceBytes, size - at * pieceBytes),
  }));
}

/** What the store says is there is what counts, not what a client says it sent. Throws FILE_UNSTAGED. */
export async function demandPieces(ports: Ports, slot: Slot): Promise<void> {
  const there = new Map((await listAll(ports.stores.home.bucket, stagingPrefix(slot.id))).map(({ key, sizeBytes }) => [key, sizeBytes]));
  for (const { key, sizeBytes } of piecesIn(slot)) {
    const found = there.get(key);
    if (found === sizeBytes) continue;
    const problem =
      found === undefined ? `part ${Number(key.slice(-5))} was not uploaded` : `part ${Number(key.slice(-5))} has ${found} bytes`;
    throw new FerryError("FILE_UNSTAGED", { sha256: slot.sha256, problem });
  }
}

/** Removes what lies longer than a day, named or not: no revision ever names it. Answers how many objects that were. */
export async function sweepStaging(ports: Ports): Promise<number> {
  const { bucket } = ports.stores.home;
  const before = ports.clock.now() - STAGED_SECONDS * 1000;
  let removed = 0;
  let pages = 0;
  for await (const page of pagesOf(bucket, STAGING_PREFIX)) {
    const old = page.filter(({ modifiedAtMs }) => modifiedAtMs < before).map(({ key }) => key);
    if (old.length > 0) await bucket.delete(old);
    removed += old.length;
    if (++pages === SWEEP_PAGES) break;
  }
  return removed;
}
