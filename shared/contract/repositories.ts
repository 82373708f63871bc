/** Repositories, their refs and the history of their revisions. */
import * as z from "zod";
import { Digest } from "../digest.ts";
import { FileEntry } from "../manifest.ts";
import { NamePart, OperationId, Ref, RefName, RepositoryName, RevisionId } from "../names.ts";

export const RepositoryId = z
  .string()
  .regex(/^[0-9a-f]{16}(?![\s\S])/)
  .brand<"RepositoryId">();
export type RepositoryId = z.infer<typeof RepositoryId>;

export const DEFAULT_BRANCH = "main";

export const RepositoryRequest = z.strictObject({ repository: RepositoryName, operationId: OperationId });
export type RepositoryRequest = z.infer<typeof RepositoryRequest>;

export const RepositorySummary = z.object({ repository: RepositoryName, id: RepositoryId, createdAt: z.string(), createdBy: z.string() });
export type RepositorySummary = z.infer<typeof RepositorySummary>;

export const Refs = z.object({ branches: z.record(z.string(), RevisionId), tags: z.record(z.string(), RevisionId) });
export type Refs = z.infer<typeof Refs>;

export const Repository = RepositorySummary.extend({ seq: z.int(), revisionCount: z.int(), refs: Refs });
export type Repository = z.infer<typeof Repository>;

export const Page = { cursor: z.string().min(1).max(200).optional(), limit: z.coerce.number().int().min(1).max(1000).default(100) };
export const RepositoryQuery = z.strictObject({ namespace: NamePart.optional(), ...Page });
export const RepositoryPage = z.object({ repositories: z.array(RepositorySummary), next: z.string().nullable() });
export type RepositoryPage = z.infer<typeof RepositoryPage>;

/** Free words about a revision; keys and values are short texts. */
export const Labels = z
  .record(z.string().min(1).max(63), z.string().max(255))
  .refine((labels) => Object.keys(labels).length <= 64, "at most 64 labels");

export const RevisionSummary = z.object({
  revision: RevisionId,
  seq: z.int(),
  branch: z.string(),
  parent: RevisionId.nullable(),
  manifest: Digest,
  author: z.string(),
  time: z.string(),
  message: z.string(),
  fileCount: z.int(),
  sizeBytes: z.int(),
  chunkCount: z.int(),
  newBytes: z.int(),
  labels: Labels,
});
export type RevisionSummary = z.infer<typeof RevisionSummary>;

/** The cursor is the seq of the last revision that was listed. */
const seqCursor = z.string().regex(/^[0-9]{1,15}$/, "not a cursor of ours");
export const RevisionQuery = z.strictObject({ branch: RefName.optional(), ...Page, cursor: seqCursor.optional() });
export const RevisionPage = z.object({ revisions: z.array(RevisionSummary), next: z.string().nullable() });
export type RevisionPage = z.infer<typeof RevisionPage>;

/** `manifest` is checked against its digest by whoever reads it (shared/manifest.ts). */
export const ManifestAnswer = z.object({ revision: RevisionSummary, manifest: z.object({ v: z.literal(1), files: z.array(FileEntry) }) });
export type ManifestAnswer = z.infer<typeof ManifestAnswer>;

export const TagRequest = z.strictObject({
  ref: Ref,
  /** The revision the tag must point at now; null when it must not exist; left out: whatever it is, when `force` is set. */
  expected: RevisionId.nullable().optional(),
  force: z.boolean().default(false),
  message: z.string().max(4000).default(""),
  operationId: OperationId,
});
export type TagRequest = z.input<typeof TagRequest>;

export const Tag = z.object({ tag: RefName, revision: RevisionId, seq: z.int() });
export type Tag = z.infer<typeof Tag>;

export const DeleteQuery = z.strictObject({ operationId: OperationId, expected: RevisionId.optional() });
