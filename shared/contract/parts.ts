/**
 * Many writers, one revision: callers who name the same session share one upload. Each seals its part, then any of them commits: all
 * parts become one revision, or none does.
 */
import * as z from "zod";
import { FILES_MAX, FileEntry } from "../manifest.ts";
import { OperationId, RefName, RevisionId } from "../names.ts";
import { ContentReport } from "./content.ts";
import { Labels, Metrics, Source } from "./repositories.ts";
import { Attempt, Upload } from "./uploads.ts";

export const PARTS_MAX = 1024;

const sessionRule = "1 to 128 letters, digits, '.', '_' and '-'; begins with a letter or digit";
/** Chosen by the callers, such as a job's id and the step: one session makes at most one revision, ever. */
export const SessionName = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}(?![\s\S])/, sessionRule)
  .brand<"SessionName">();
export type SessionName = z.infer<typeof SessionName>;

/** The first who names a session decides its branch and its number of parts; the others must say the same. */
export const JoinRequest = z.strictObject({
  session: SessionName,
  branch: RefName,
  parts: z.int().min(1).max(PARTS_MAX),
  operationId: OperationId,
});
export type JoinRequest = z.infer<typeof JoinRequest>;

/** The shared upload: the same for all who join. `parent`: head of the branch now. */
export const JoinedSession = Upload.extend({ session: SessionName, parts: z.int() });
export type JoinedSession = z.infer<typeof JoinedSession>;

/** Counted from 0, as ranks are. */
export const PartNumber = z.coerce
  .number()
  .int()
  .min(0)
  .max(PARTS_MAX - 1);

/** `files` of this part alone, whose chunks are proven and whose recipes were sent. Sealing the same again is harmless. */
export const SealRequest = z.strictObject({
  files: z.array(FileEntry).max(FILES_MAX),
  attempt: Attempt.default(1),
  operationId: OperationId,
  /** Of this part's files. */
  content: ContentReport.optional(),
});
export type SealRequest = z.output<typeof SealRequest>;
export const SealedPart = z.object({ part: z.int(), fileCount: z.int(), sizeBytes: z.int() });
export type SealedPart = z.infer<typeof SealedPart>;

/** Every caller may send it; the first that finds all parts sealed makes the revision, and all are answered with it. */
export const SessionCommit = z.strictObject({
  /** Head that the branch must have; null: the branch must not exist yet; left out: whatever it has. */
  parent: RevisionId.nullable().optional(),
  message: z.string().max(4000).default(""),
  labels: Labels.default({}),
  metrics: Metrics.default({}),
  source: Source.default({}),
});
export type SessionCommit = z.output<typeof SessionCommit>;

export const OpenSession = z.object({
  session: SessionName,
  /** For the calls on the session. */
  upload: z.string(),
  branch: RefName,
  parts: z.int(),
  /** Parts that are sealed, in order. */
  sealed: z.array(z.int()),
  openedBy: z.string(),
  openedAt: z.string(),
  expiresAt: z.string(),
});
export type OpenSession = z.infer<typeof OpenSession>;

/** Neither committed nor aborted nor expired, newest first. */
export const SessionList = z.object({ sessions: z.array(OpenSession) });
export type SessionList = z.infer<typeof SessionList>;
