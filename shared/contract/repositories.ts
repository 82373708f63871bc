/** Repositories, their refs and the history of their revisions. */
import * as z from "zod";
import { Digest } from "../digest.ts";
import { FileEntry } from "../manifest.ts";
import { NamePart, OperationId, Ref, RefName, RepositoryName, RevisionId } from "../names.ts";
import { KeyId } from "../signature.ts";
import { ContentReport } from "./content.ts";

export const RepositoryId = z
  .string()
  .regex(/^[0-9a-f]{16}(?![\s\S])/)
  .brand<"RepositoryId">();
export type RepositoryId = z.infer<typeof RepositoryId>;

export const DEFAULT_BRANCH = "main";
export const REPOSITORY_PATH = "/api/v1/repositories/:namespace/:name";

export const RepositoryRequest = z.strictObject({ repository: RepositoryName, operationId: OperationId });
export type RepositoryRequest = z.infer<typeof RepositoryRequest>;

/** `repository`: its name from then on. */
export const RenameRequest = z.strictObject({ repository: RepositoryName, operationId: OperationId });
export type RenameRequest = z.infer<typeof RenameRequest>;

/** No downloads: an administrator stopped them. */
export const Block = z.object({ at: z.string(), by: z.string(), reason: z.string() });
export type Block = z.infer<typeof Block>;
export const BlockRequest = z.strictObject({ reason: z.string().min(1).max(1000), operationId: OperationId });
export const UnblockQuery = z.strictObject({ operationId: OperationId });

export const RepositorySummary = z.object({
  repository: RepositoryName,
  id: RepositoryId,
  createdAt: z.string(),
  createdBy: z.string(),
  blocked: Block.nullable(),
});
export type RepositorySummary = z.infer<typeof RepositorySummary>;

/** Free words about a revision; keys and values are short texts. */
export const Labels = z
  .record(z.string().min(1).max(63), z.string().max(255))
  .refine((labels) => Object.keys(labels).length <= 64, "at most 64 labels");

/** Figures about a revision, as decimal texts (canonical JSON has whole numbers only): `{"loss": "0.031"}`. */
export const Metrics = z
  .record(z.string().min(1).max(63), z.string().regex(/^-?\d{1,20}(\.\d{1,20})?(e[+-]?\d{1,3})?(?![\s\S])/i, "a decimal number as text"))
  .refine((metrics) => Object.keys(metrics).length <= 64, "at most 64 metrics");

export const Source = z.strictObject({
  host: z.string().max(255).optional(),
  job: z.string().max(255).optional(),
  git: z.string().max(255).optional(),
  framework: z.string().max(255).optional(),
});
export type Source = z.infer<typeof Source>;

export const Origin = z.strictObject({ repositoryId: RepositoryId, revision: RevisionId });
export type Origin = z.infer<typeof Origin>;

/**
 * Which revisions to keep; a revision is kept when any rule keeps it, or a branch head or tag names it. Null: keep all.
 * `keepBest` keeps the best `count` by a metric.
 */
export const Retention = z.strictObject({
  keepLast: z.int().min(1).max(100_000).optional(),
  /** At least every n-th of a branch's history, from its first on; n counts records of the repository's log, so that it never shifts. */
  keepEvery: z.int().min(2).max(100_000).optional(),
  keepDays: z.int().min(1).max(36_500).optional(),
  keepBest: z
    .strictObject({ metric: z.string().min(1).max(63), count: z.int().min(1).max(1000), order: z.enum(["max", "min"]) })
    .optional(),
});
export type Retention = z.infer<typeof Retention>;

/** Limits of one repository. Logical: sum of its revisions' sizes. Stored: bytes and objects that its revisions brought. Null: none. */
export const Quota = z.strictObject({
  logicalBytes: z.int().min(0).nullable().default(null),
  storedBytes: z.int().min(0).nullable().default(null),
  objects: z.int().min(0).nullable().default(null),
});
export type Quota = z.infer<typeof Quota>;

/** Tags that match (`*` within a part, `**` for all) take only revisions that one of the keys signed; no keys: any key of the deployment. */
export const SignedTags = z.strictObject({ tags: z.string().min(1).max(128), keys: z.array(KeyId).max(32) });
export type SignedTags = z.infer<typeof SignedTags>;

export const RepositorySettings = z.strictObject({
  retention: Retention.nullable().default(null),
  quota: Quota.nullable().default(null),
  signedTags: z.array(SignedTags).max(32).optional(),
  /** `safe`: no file that runs code when it is loaded (docs/security.md says how far that is known). */
  formats: z.enum(["any", "safe"]).optional(),
  /** `block`: no push in which secrets were found. */
  secrets: z.enum(["warn", "block"]).optional(),
});
export type RepositorySettings = z.infer<typeof RepositorySettings>;

/** What counts against a quota: revisions that are not purged. */
export const Usage = z.object({ logicalBytes: z.int(), storedBytes: z.int(), objects: z.int() });
export type Usage = z.infer<typeof Usage>;

export const Refs = z.object({ branches: z.record(z.string(), RevisionId), tags: z.record(z.string(), RevisionId) });
export type Refs = z.infer<typeof Refs>;

export const Repository = RepositorySummary.extend({
  seq: z.int(),
  /** Without those in the trash. */
  revisionCount: z.int(),
  refs: Refs,
  lockedTags: z.array(z.string()),
  settings: RepositorySettings,
  usage: Usage,
});
export type Repository = z.infer<typeof Repository>;

export const Page = { cursor: z.string().min(1).max(200).optional(), limit: z.coerce.number().int().min(1).max(1000).default(100) };
export const RepositoryQuery = z.strictObject({ namespace: NamePart.optional(), ...Page });
export const RepositoryPage = z.object({ repositories: z.array(RepositorySummary), next: z.string().nullable() });
export type RepositoryPage = z.infer<typeof RepositoryPage>;

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
  newChunks: z.int(),
  labels: Labels,
  metrics: Metrics,
  source: Source,
  origin: Origin.nullable(),
  /** What its uploader says is in the files; left out: nobody looked. */
  content: ContentReport.optional(),
  /** Who changed labels or metrics last. */
  modifiedBy: z.string().nullable(),
  modifiedAt: z.string().nullable(),
  /** Since when it is in the trash. */
  deletedAt: z.string().nullable(),
});
export type RevisionSummary = z.infer<typeof RevisionSummary>;

/** The cursor is the seq of the last revision that was looked at. */
export const RevisionPage = z.object({ revisions: z.array(RevisionSummary), next: z.string().nullable() });
export type RevisionPage = z.infer<typeof RevisionPage>;

/** `manifest` is checked against its digest by whoever reads it (shared/manifest.ts). */
export const ManifestAnswer = z.object({ revision: RevisionSummary, manifest: z.object({ v: z.literal(1), files: z.array(FileEntry) }) });
export type ManifestAnswer = z.infer<typeof ManifestAnswer>;

export const TagRequest = z.strictObject({
  ref: Ref,
  /** The revision the tag must point at now; null when it must not exist; left out: whatever it is, when `force` is set. */
  expected: RevisionId.nullable().optional(),
  /** The same, as a branch, another tag or a revision. */
  expectedRef: Ref.optional(),
  force: z.boolean().default(false),
  message: z.string().max(4000).default(""),
  operationId: OperationId,
});
export type TagRequest = z.input<typeof TagRequest>;

export const Tag = z.object({ tag: RefName, revision: RevisionId, seq: z.int() });
export type Tag = z.infer<typeof Tag>;

export const DeleteQuery = z.strictObject({ operationId: OperationId, expected: RevisionId.optional() });
