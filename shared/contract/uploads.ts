/** The push: an upload proves that chunks are stored, then a commit makes a revision of them. */
import * as z from "zod";
import { Digest } from "../digest.ts";
import { CHUNK_BYTES_MAX, FILES_MAX, FileEntry } from "../manifest.ts";
import { OperationId, RefName, RevisionId } from "../names.ts";
import { Recipe } from "../recipe.ts";
import { ContentReport } from "./content.ts";
import { Labels, Metrics, RevisionSummary, Source } from "./repositories.ts";

export const RESERVE_PAGE_MAX = 500;
export const CONFIRM_PAGE_MAX = 200;
export const RECIPE_PAGE_MAX = 100;
/** How long a ticket or a presigned URL is good for. */
export const TICKET_SECONDS = 900;

/** How a store checks the content of a PUT; strongest first (docs/design.md, Tickets). */
export const TicketMode = z.enum(["payload", "checksum", "md5"]);
export type TicketMode = z.infer<typeof TicketMode>;

export const UploadRequest = z.strictObject({ branch: RefName, operationId: OperationId });
export type UploadRequest = z.infer<typeof UploadRequest>;

/** `upload` is a signed text that names the session; it survives the loss of the index. */
export const Upload = z.object({
  upload: z.string(),
  branch: RefName,
  /** Head of the branch now: the parent of what will be committed; null when the branch does not exist yet. */
  parent: RevisionId.nullable(),
  mode: TicketMode,
  reservePageMax: z.int(),
  confirmPageMax: z.int(),
  expiresInSeconds: z.int(),
});
export type Upload = z.infer<typeof Upload>;

export const ChunkClaim = z.strictObject({
  sha256: Digest,
  size: z.int().min(1).max(CHUNK_BYTES_MAX),
  /** base64 of the content's MD5: needed for `md5` tickets only. */
  md5: z
    .string()
    .regex(/^[A-Za-z0-9+/]{21}[AQgw]==(?![\s\S])/, "base64 of 16 bytes")
    .optional(),
});
export type ChunkClaim = z.infer<typeof ChunkClaim>;

/** 1 at first; later the number that CHUNK_UNPROVEN gave. Chunks of a later attempt get fresh keys. */
export const Attempt = z.int().min(1).max(1000);

export const ReserveRequest = z.strictObject({
  attempt: Attempt,
  /** Ask for `md5` tickets although the store can do better: for callers that can only use a plain URL. */
  mode: z.literal("md5").optional(),
  chunks: z.array(ChunkClaim).min(1).max(RESERVE_PAGE_MAX),
});
export type ReserveRequest = z.infer<typeof ReserveRequest>;

/**
 * Tickets of one page, with what all have in common said once. The request of an item (shared/tickets.ts builds it):
 * PUT `base + path + (query ? "?" + query + "&X-Amz-Signature=" + signature : "")` with `headers`, and by mode
 * `payload`: `authorization: authorization + signature`, `x-amz-content-sha256: sha256`;
 * `checksum`: `x-amz-checksum-sha256: base64(sha256)`; `md5`: `content-md5: md5`.
 */
export const TicketBatch = z.object({
  mode: TicketMode,
  base: z.string(),
  query: z.string(),
  authorization: z.string(),
  headers: z.record(z.string(), z.string()),
  expiresInSeconds: z.int(),
  items: z.array(z.object({ sha256: Digest, size: z.int(), path: z.string(), signature: z.string(), md5: z.string().optional() })),
});
export type TicketBatch = z.infer<typeof TicketBatch>;

export const Reservation = z.object({ have: z.array(Digest), tickets: TicketBatch.nullable() });
export type Reservation = z.infer<typeof Reservation>;

export const ConfirmRequest = z.strictObject({
  attempt: Attempt,
  /** As in the reservation. */
  mode: z.literal("md5").optional(),
  chunks: z
    .array(z.strictObject({ sha256: Digest, size: z.int().min(1).max(CHUNK_BYTES_MAX) }))
    .min(1)
    .max(CONFIRM_PAGE_MAX),
});
export type ConfirmRequest = z.infer<typeof ConfirmRequest>;
/** Chunks that are not there, or not of the claimed length. */
export const Confirmation = z.object({ missing: z.array(Digest) });
export type Confirmation = z.infer<typeof Confirmation>;

export const RecipesRequest = z.strictObject({ recipes: z.array(Recipe).min(1).max(RECIPE_PAGE_MAX) });
export type RecipesRequest = z.infer<typeof RecipesRequest>;
export const RecipeDigests = z.object({ recipes: z.array(Digest) });

export const CommitRequest = z.strictObject({
  operationId: OperationId,
  attempt: Attempt.default(1),
  /** Head that the caller saw; null when the branch must not exist yet. */
  parent: RevisionId.nullable(),
  message: z.string().max(4000).default(""),
  files: z.array(FileEntry).max(FILES_MAX),
  labels: Labels.default({}),
  metrics: Metrics.default({}),
  source: Source.default({}),
  content: ContentReport.optional(),
});
export type CommitRequest = z.input<typeof CommitRequest>;
export const Commit = RevisionSummary;
