/** What a named session keeps in the bucket: how it was opened, its sealed parts, how it ended. Nothing of it is in the index alone. */
import * as z from "zod";
import { ContentReport } from "../../shared/contract/content.ts";
import { PARTS_MAX, SessionName } from "../../shared/contract/parts.ts";
import { RepositoryId } from "../../shared/contract/repositories.ts";
import { Attempt } from "../../shared/contract/uploads.ts";
import { Digest } from "../../shared/digest.ts";
import { Manifest } from "../../shared/manifest.ts";
import { RefName, RevisionId } from "../../shared/names.ts";
import type { Placed } from "./commit.ts";
import { Tag16 } from "./records.ts";

export const Opening = z.strictObject({
  v: z.literal(1),
  /** Of the upload: random, so that a name that comes again years later gets chunk keys of its own. */
  id: z.string().regex(/^[0-9a-f]{16}(?![\s\S])/),
  repositoryId: RepositoryId,
  session: SessionName,
  branch: RefName,
  parts: z.int().min(1).max(PARTS_MAX),
  sinceSeq: z.int(),
  base: RevisionId.nullable(),
  openedAtMs: z.int(),
  openedBy: z.string(),
});
export type Opening = z.infer<typeof Opening>;

/**
 * How the chunk came: `kept` was there before this session; `sent` is the session's own; `first` too, and the index knew no other copy.
 */
const Origin = z.enum(["kept", "sent", "first"]);

/** A part proves its chunks by itself: what the index knew of them may be lost once it is sealed. */
export const Part = z.strictObject({
  v: z.literal(1),
  part: z.int().min(0),
  manifest: Manifest,
  /** The attempt that these places are of. */
  attempt: Attempt,
  content: ContentReport.optional(),
  /** Every chunk of the part once: digest, size in bytes, tag, how it came; sorted by digest. */
  places: z.array(z.tuple([Digest, z.int(), Tag16, Origin])),
});
export type Part = z.infer<typeof Part>;

/** Written once, by whoever comes first: after `aborted` nothing is committed, after `committed` nothing is aborted. */
export const End = z.strictObject({ v: z.literal(1), state: z.enum(["committed", "aborted"]), by: z.string(), at: z.iso.datetime() });
export type End = z.infer<typeof End>;

export function placesOf(placed: readonly Placed[]): Part["places"] {
  return placed.map(({ sha256, size, tag, proof }) => [
    sha256,
    size,
    tag,
    proof?.state !== "proven" ? "kept" : proof.fresh ? "first" : "sent",
  ]);
}
