/**
 * Files in slots that became chunks: done once for each slot, kept beside its pieces, and taken over by the upload that commits it. When
 * collection condemned the chunks meanwhile they are made again, under another attempt and so other keys.
 */
import * as z from "zod";
import type { RepositorySummary } from "../../../shared/contract/repositories.ts";
import { Digest } from "../../../shared/digest.ts";
import { FerryError } from "../../../shared/errors.ts";
import { RefName } from "../../../shared/names.ts";
import { stagingNoteKey } from "../layout.ts";
import type { Caller, Ports, Proof } from "../ports.ts";
import { decodeRecord, encodeRecord, Tag16 } from "../records.ts";
import { sealSession } from "../sessions.ts";
import { absorbFile } from "./absorb.ts";
import { PieceSource } from "./piece-source.ts";
import { demandPieces, piecesIn, type Slot } from "./slots.ts";

/** Of no meaning: a slot is for any branch. */
const BRANCH = RefName.parse("staging");

const AbsorbedNote = z.strictObject({
  v: z.literal(1),
  attempt: z.int(),
  sha256: Digest,
  size: z.int(),
  chunk: Digest.optional(),
  recipe: Digest.optional(),
  places: z.array(z.tuple([Digest, z.int(), Tag16, z.enum(["proven", "had"]), z.boolean(), z.boolean()])),
});
export type AbsorbedNote = z.infer<typeof AbsorbedNote>;
const RedoNote = z.strictObject({ v: z.literal(1), attempt: z.int() });

export async function findAbsorbed(ports: Ports, { id }: Slot): Promise<AbsorbedNote | null> {
  const key = stagingNoteKey(id, "absorbed");
  const bytes = await ports.stores.home.bucket.get(key);
  return bytes === null ? null : decodeRecord(AbsorbedNote, bytes, key);
}

/** Throws FILE_UNSTAGED when pieces are missing, and what absorbFile throws. What stops half-way goes on from the chunks that are stored. */
export async function absorbSlot(ports: Ports, caller: Caller, repository: RepositorySummary, slot: Slot): Promise<AbsorbedNote> {
  const known = await findAbsorbed(ports, slot);
  if (known !== null) return known;
  await demandPieces(ports, slot);
  const { home } = ports.stores;
  const attempt = await attemptOf(ports, slot);
  const session = { id: slot.id, repositoryId: repository.id, branch: BRANCH, sinceSeq: 0, base: null, openedAtMs: ports.clock.now() };
  const upload = await sealSession(ports, { ...session, principal: caller.tokenId });
  const open = () => new PieceSource(home.objects, piecesIn(slot), slot.pieceBytes);
  const { sha256, size: sizeBytes } = slot;
  const { chunks, ...file } = await absorbFile(ports, caller, repository, { upload, attempt, sha256, sizeBytes, open });
  const proofs = await ports.uploads.proofs(
    slot.id,
    chunks.map((chunk) => chunk.sha256),
  );
  const places = chunks.map((chunk, at): AbsorbedNote["places"][number] => {
    const proof = proofs[at] ?? null;
    if (proof === null || proof.state === "reserved") throw new FerryError("INDEX_UNAVAILABLE", { problem: "it forgot an upload" });
    return [chunk.sha256, chunk.size, proof.tag, proof.state, proof.fresh, proof.verified];
  });
  const note: AbsorbedNote = { v: 1, attempt, ...file, places };
  await home.bucket.put(stagingNoteKey(slot.id, "absorbed"), encodeRecord(note));
  return note;
}

/** What an upload must know of a file to commit it. */
export async function adoptProofs(ports: Ports, uploadId: string, { places, recipe, attempt }: AbsorbedNote): Promise<void> {
  const proofs = places.map(([sha256, size, tag, state, fresh, verified]): [Digest, Proof] => [
    sha256,
    { state, tag, size, attempt, fresh, verified },
  ]);
  if (proofs.length > 0) await ports.uploads.record(uploadId, new Map(proofs));
  if (recipe !== undefined) await ports.uploads.addRecipes(uploadId, [recipe]);
}

/** Its chunks can't be committed: the next look makes them again. The note first, or a crash would use a condemned key again. */
export async function redoSlot(ports: Ports, slot: Slot, { attempt }: AbsorbedNote): Promise<void> {
  const { bucket } = ports.stores.home;
  await bucket.put(stagingNoteKey(slot.id, "redo"), encodeRecord({ v: 1, attempt }));
  await bucket.delete([stagingNoteKey(slot.id, "absorbed")]);
}

async function attemptOf(ports: Ports, { id }: Slot): Promise<number> {
  const key = stagingNoteKey(id, "redo");
  const bytes = await ports.stores.home.bucket.get(key);
  return bytes === null ? 1 : decodeRecord(RedoNote, bytes, key).attempt + 1;
}
