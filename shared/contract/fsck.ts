/** Looking for damage in the bucket, in resumable steps: what is missing, wrong, or not where it should be, and who needs it. */
import * as z from "zod";
import { Digest } from "../digest.ts";
import { RevisionId, StoreId } from "../names.ts";

/**
 * In this order; `aborted` from any of them. `data`, `blame` and `plan` only when there is something to read, to blame, or to look for
 * elsewhere; `copy` and `mend` only when something is to be repaired.
 */
export const FsckPhase = z.enum(["logs", "revisions", "chunks", "data", "blame", "plan", "copy", "mend", "done", "aborted"]);
export type FsckPhase = z.infer<typeof FsckPhase>;

/** `error`: something that a revision needs is gone or wrong. `warning`: it should not be so, and nothing is lost. `note`: for the reader. */
export const Severity = z.enum(["error", "warning", "note"]);
export type Severity = z.infer<typeof Severity>;

export const FindingKind = z.enum([
  "log.damaged",
  "index.behind",
  "index.ahead",
  "index.unlike",
  "envelope.missing",
  "envelope.damaged",
  "recipe.missing",
  "recipe.damaged",
  "chunk.missing",
  "chunk.length",
  "chunk.corrupt",
  "chunk.unplaced",
  "chunk.reappeared",
  "stray",
  "more",
]);
export type FindingKind = z.infer<typeof FindingKind>;

/** A file that can't be read because of a finding. The repository by name, or by id where it has none any more. */
export const Affected = z.strictObject({ repository: z.string(), revision: RevisionId, path: z.string() });
export type Affected = z.infer<typeof Affected>;

export const Finding = z.strictObject({
  severity: Severity,
  kind: FindingKind,
  /** A log, an object's key, a digest. */
  what: z.string(),
  detail: z.string(),
  /** The first of them; `affectedCount` counts all. */
  affected: z.array(Affected),
  affectedCount: z.int(),
});
export type Finding = z.infer<typeof Finding>;

const count = z.int().min(0);
const Tag = z.string().regex(/^[0-9a-f]{16}(?![\s\S])/);

/** A chunk object that is not as its revisions need it. */
export const BadChunk = z.strictObject({
  sha256: Digest,
  tag: Tag,
  /** As it should be, in bytes. */
  size: count.default(0),
  kind: z.enum(["chunk.missing", "chunk.length", "chunk.corrupt"]),
  detail: z.string(),
  /** Some living revision was seen to name it. */
  needed: z.boolean(),
  /** Where another object of its name and length is; null: nowhere, or nobody has looked yet. */
  source: z.strictObject({ store: StoreId, tag: Tag }).nullable().default(null),
  /** Tag of the copy at home that was made from it, and was right. */
  fresh: Tag.nullable().default(null),
});
export type BadChunk = z.infer<typeof BadChunk>;

export const FsckRun = z.strictObject({
  v: z.literal(1),
  /** Sorts by time. */
  run: z.string().regex(/^[0-9]{13}-[0-9a-f]{8}(?![\s\S])/),
  phase: FsckPhase,
  /** Share of the named chunks whose bytes are read, in thousandths. */
  readPermille: z.int().min(0).max(1000),
  verifyClaimed: z.boolean(),
  repair: z.boolean(),
  startedAtMs: z.int(),
  endedAtMs: z.int().nullable(),
  /** Where the phase stands; null at its start. */
  cursor: z.string().nullable(),
  logs: count,
  records: count,
  revisions: count,
  recipes: count,
  /** Chunks that revisions name (once for each), and those in the store. */
  named: count,
  chunks: count,
  chunkBytes: count,
  /** In the store and named by no revision: old ones, which collection will see to, and such that a push may be about to name. */
  orphans: count,
  orphanBytes: count,
  young: count,
  /** Named chunks of which the store has checked no more than an MD5. */
  claimed: count,
  /** Whose bytes were read, and claimed ones that the index now knows to be right. */
  read: count,
  readBytes: count,
  verified: count,
  /** Keys that pushes send anew from now on. */
  condemned: count,
  /** Revisions whose chunks are named anew. */
  mended: count.default(0),
  bad: z.array(BadChunk),
  findings: z.array(Finding),
  problem: z.string().nullable(),
});
export type FsckRun = z.infer<typeof FsckRun>;

export const FsckRequest = z.strictObject({
  /** 0 to 1. */
  readData: z.number().min(0).max(1).default(0),
  verifyClaimed: z.boolean().default(false),
  /**
   * Brings missing and damaged chunks and recipes back from wherever else they are. Keys of bad chunks are never offered again, so that
   * pushing the files once more brings back what nobody has.
   */
  repair: z.boolean().default(false),
});

export const FsckAnswer = z.object({ run: FsckRun.nullable(), busy: z.boolean() });
export type FsckAnswer = z.infer<typeof FsckAnswer>;
