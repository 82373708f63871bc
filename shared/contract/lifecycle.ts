/** The life of revisions and repositories: copies without bytes, labels, searches, trash, settings, retention, and what all of it weighs. */
import * as z from "zod";
import { NamePart, OperationId, Ref, RefName, RepositoryName, RevisionId } from "../names.ts";
import { Page, RepositorySettings, RepositorySummary, Retention, RevisionSummary } from "./repositories.ts";

/** How long the trash keeps what is in it. */
export const TRASH_DAYS = 14;
/** Revisions that one request may name. */
export const REVISIONS_PAGE_MAX = 100;
/** Revisions that one search looks at; it says where to go on. */
export const SEARCH_REVISIONS_MAX = 10_000;
/** A search across repositories looks at this many of them, and at the newest revisions of each. */
export const SEARCH_REPOSITORIES_MAX = 50;
export const SEARCH_NEWEST_MAX = 200;
/** Files that a diff lists; it counts all of them. */
export const DIFF_FILES_MAX = 1000;
/** Revisions that one run of retention looks at, the newest, and that it moves into the trash. */
export const RETENTION_SCAN_MAX = 100_000;
export const RETENTION_REVISIONS_MAX = 1000;

const message = z.string().max(4000).default("");
const operationId = OperationId;
const revisions = z.array(RevisionId).min(1).max(REVISIONS_PAGE_MAX);
const seqCursor = z.string().regex(/^[0-9]{1,15}(?![\s\S])/, "not a cursor of ours");
const flag = z.enum(["true", "false"]).default("false");

// ---- copies -----------------------------------------------------------------------------------------------------------------

/** Into the repository of the path, which is made when there is none. `expected`: the head that the branch has now, null: none. */
export const CloneRequest = z.strictObject({
  from: RepositoryName,
  ref: Ref,
  branch: RefName,
  expected: RevisionId.nullable().optional(),
  message,
  operationId,
});
export type CloneRequest = z.output<typeof CloneRequest>;

export const RestoreRequest = z.strictObject({ ref: Ref, expected: RevisionId.nullable().optional(), message, operationId });
export type RestoreRequest = z.output<typeof RestoreRequest>;

// ---- labels and searches ----------------------------------------------------------------------------------------------------

const changes = z.record(z.string().min(1).max(63), z.string().max(255).nullable());

/**
 * Without `merge` a map that is given replaces the old one, and one that is left out stays. With it keys are set one by one; null takes
 * one away. Metrics are decimal texts.
 */
export const LabelRequest = z
  .strictObject({ labels: changes.optional(), metrics: changes.optional(), merge: z.boolean().default(false), operationId })
  .refine(({ labels, metrics }) => labels !== undefined || metrics !== undefined, "neither labels nor metrics are given");
export type LabelRequest = z.output<typeof LabelRequest>;

/** All that are given must hold. */
const criteria = {
  author: z.string().min(1).max(255).optional(),
  /** `key:value`, or a key that must be there. */
  label: z.string().min(1).max(319).optional(),
  /** A metric that must be there. */
  metric: z.string().min(1).max(63).optional(),
  since: z.iso.datetime().optional(),
  until: z.iso.datetime().optional(),
  /** In the message, the author, the branch, a label's value or the source, in any case. */
  text: z.string().min(1).max(200).optional(),
};

/**
 * History of one repository. One request looks at up to 10,000 revisions; a page may have fewer than `limit`, even none, and `next` while
 * there are older ones. `sort`: a metric; the page then has the best of all that were looked at.
 */
export const RevisionQuery = z.strictObject({
  branch: RefName.optional(),
  ...criteria,
  /** "true": only what is in the trash; else only what is not. */
  deleted: flag,
  sort: z.string().min(1).max(63).optional(),
  order: z.enum(["max", "min"]).default("max"),
  ...Page,
  cursor: seqCursor.optional(),
});
export type RevisionQuery = z.output<typeof RevisionQuery>;

/**
 * Across the repositories that the caller may pull, in order of name: 50 a request, of each the newest 200 revisions are looked at, and at
 * most `limit` listed. The cursor is a repository's name.
 */
export const SearchQuery = z.strictObject({
  namespace: NamePart.optional(),
  ...criteria,
  cursor: Page.cursor,
  limit: z.coerce.number().int().min(1).max(SEARCH_NEWEST_MAX).default(20),
});
export type SearchQuery = z.output<typeof SearchQuery>;
export const SearchPage = z.object({
  revisions: z.array(RevisionSummary.extend({ repository: RepositoryName })),
  next: z.string().nullable(),
});
export type SearchPage = z.infer<typeof SearchPage>;

// ---- what changed, what it weighs -------------------------------------------------------------------------------------------

/** `base`: default the revision's parent. */
export const DiffQuery = z.strictObject({ base: Ref.optional() });

/** Each distinct chunk counts once: in both revisions, only in the later, only in the base. `changes` is cut at 1,000 files. */
export const Diff = z.object({
  base: RevisionId.nullable(),
  revision: RevisionId,
  files: z.object({ added: z.int(), removed: z.int(), changed: z.int(), unchanged: z.int() }),
  bytes: z.object({ shared: z.int(), new: z.int(), gone: z.int() }),
  changes: z.array(
    z.object({
      change: z.enum(["added", "removed", "changed"]),
      path: z.string(),
      sizeBefore: z.int().nullable(),
      sizeAfter: z.int().nullable(),
    }),
  ),
  more: z.boolean(),
});
export type Diff = z.infer<typeof Diff>;

/**
 * `logicalBytes`, `storedBytes`, `objects`: of all revisions that are not purged, exact; stored is what was sent for them. `unique…`:
 * distinct chunks that living revisions name, from the envelopes of the newest `scanned` of them; exact when `complete`.
 */
export const RepositoryUsage = z.object({
  revisions: z.int(),
  logicalBytes: z.int(),
  storedBytes: z.int(),
  objects: z.int(),
  uniqueBytes: z.int(),
  uniqueChunks: z.int(),
  scanned: z.int(),
  complete: z.boolean(),
});
export type RepositoryUsage = z.infer<typeof RepositoryUsage>;

/**
 * Sums over the repositories that the caller may pull, a page of them; add the pages up. Exact by revision; a chunk that several
 * repositories name counts in the one that sent it, until that is purged. `measured`: what the last scan of the bucket counted, garbage
 * included, for who administers the deployment.
 */
export const DeploymentUsage = z.object({
  repositories: z.int(),
  revisions: z.int(),
  logicalBytes: z.int(),
  storedBytes: z.int(),
  objects: z.int(),
  measured: z.object({ chunks: z.int(), bytes: z.int(), garbage: z.int(), garbageBytes: z.int(), startedAt: z.string() }).nullable(),
  next: z.string().nullable(),
});
export type DeploymentUsage = z.infer<typeof DeploymentUsage>;
export const UsageQuery = z.strictObject(Page);

// ---- tags -------------------------------------------------------------------------------------------------------------------

export const LockRequest = z.strictObject({ operationId });
export const TagLock = z.object({ tag: RefName, locked: z.boolean() });

export const HistoryQuery = z.strictObject({
  cursor: seqCursor.optional(),
  limit: z.coerce.number().int().min(1).max(100).default(20),
});

/** Newest first, back to when the tag was last made. */
export const TagHistory = z.object({
  tag: RefName,
  entries: z.array(
    z.object({
      seq: z.int(),
      revision: RevisionId,
      from: RevisionId.nullable(),
      message: z.string(),
      author: z.string(),
      time: z.string(),
    }),
  ),
  next: z.string().nullable(),
});
export type TagHistory = z.infer<typeof TagHistory>;

/** To what the tag pointed at before; twice is back again. `expected`: what it points at now. */
export const RollbackRequest = z.strictObject({ expected: RevisionId.optional(), message, operationId });
export type RollbackRequest = z.output<typeof RollbackRequest>;

// ---- trash ------------------------------------------------------------------------------------------------------------------

export const TrashRequest = z.strictObject({ revisions, reason: z.string().max(1000).default(""), operationId });
export type TrashRequest = z.output<typeof TrashRequest>;
export const UntrashRequest = z.strictObject({ revisions, operationId });
export type UntrashRequest = z.output<typeof UntrashRequest>;
export const TrashAnswer = z.object({ revisions: z.array(RevisionId) });
export type TrashAnswer = z.infer<typeof TrashAnswer>;

/** Without `revisions`: all whose time has come, up to 1,000, from `cursor` back in history. `now`: whatever their time. */
export const PurgeRequest = z.strictObject({
  revisions: revisions.optional(),
  now: z.boolean().default(false),
  cursor: seqCursor.optional(),
  operationId,
});
export type PurgeRequest = z.output<typeof PurgeRequest>;
/** `next`: where a purge without `revisions` goes on, under a new operation id. */
export const PurgeAnswer = z.object({ revisions: z.array(RevisionId), next: z.string().nullable() });
export type PurgeAnswer = z.infer<typeof PurgeAnswer>;

export const TrashedRepository = RepositorySummary.extend({ deletedAt: z.string(), deletedBy: z.string() });
/** In order of id; what the caller may delete. */
export const TrashPage = z.object({
  repositories: z.array(TrashedRepository.extend({ purgeableAt: z.string() })),
  next: z.string().nullable(),
});
export type TrashPage = z.infer<typeof TrashPage>;
export const TrashQuery = z.strictObject(Page);

/** `repository`: a new name for it; default the old one. */
export const RepositoryRestoreRequest = z.strictObject({ repository: RepositoryName.optional(), operationId });
export type RepositoryRestoreRequest = z.output<typeof RepositoryRestoreRequest>;
export const RepositoryPurgeRequest = z.strictObject({ now: z.boolean().default(false), operationId });
export type RepositoryPurgeRequest = z.output<typeof RepositoryPurgeRequest>;

// ---- settings and retention -------------------------------------------------------------------------------------------------

/** Replaces them whole. `expected`: what they must be now, so that nobody takes back unknowingly what another has just changed. */
export const SettingsRequest = z.strictObject({ settings: RepositorySettings, expected: RepositorySettings.optional(), operationId });
export const Settings = z.object({ settings: RepositorySettings });

/** `retention`: these rules instead of the repository's. `force`: also when they keep nothing, or name a metric that no revision has. */
export const RetentionRequest = z.strictObject({
  dryRun: z.boolean().default(true),
  retention: Retention.optional(),
  force: z.boolean().default(false),
  operationId,
});
export type RetentionRequest = z.output<typeof RetentionRequest>;

/** `keptBy`: several may keep one. `deletes`: oldest first. `more`: there are more than one run takes; run it again. */
export const RetentionPlan = z.object({
  dryRun: z.boolean(),
  scanned: z.int(),
  kept: z.int(),
  keptBy: z.object({ head: z.int(), tag: z.int(), last: z.int(), every: z.int(), days: z.int(), best: z.int() }),
  deletes: z.array(z.object({ revision: RevisionId, branch: z.string(), time: z.string(), sizeBytes: z.int() })),
  more: z.boolean(),
});
export type RetentionPlan = z.infer<typeof RetentionPlan>;
/** Why a revision is kept. */
export type KeepReason = keyof RetentionPlan["keptBy"];
