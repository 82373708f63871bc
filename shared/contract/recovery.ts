/** Recovery: whether the index is what the bucket says, and making it so, in resumable steps. */
import * as z from "zod";

/** In this order. `logs` is repeated until a whole pass found nothing to apply. */
export const RebuildPhase = z.enum(["logs", "chunks", "done"]);
export type RebuildPhase = z.infer<typeof RebuildPhase>;

export const RebuildRun = z.strictObject({
  v: z.literal(1),
  /** Sorts by time. */
  run: z.string().regex(/^[0-9]{13}-[0-9a-f]{8}(?![\s\S])/),
  phase: RebuildPhase,
  startedAtMs: z.int(),
  /** When the present pass over the logs began. */
  passAtMs: z.int(),
  passes: z.int(),
  endedAtMs: z.int().nullable(),
  /** Where the phase stands; null at its start. */
  cursor: z.string().nullable(),
  /** Repositories that the pass has come by. */
  logs: z.int(),
  /** Of all passes: logs that the index lacked records of, and those records. */
  healedLogs: z.int(),
  healedRecords: z.int(),
  /** Of these, in this pass, records that a rollback during the pass could have taken again. */
  late: z.int(),
  /** Revisions whose chunks were compared with the index, and entries that it lacked. */
  revisions: z.int(),
  entries: z.int(),
  /** Logs and envelopes that could not be read, with the reason; the first 20. */
  damaged: z.array(z.string()),
});
export type RebuildRun = z.infer<typeof RebuildRun>;

/** `run`: the newest, null when the index remembers none. `busy`: another caller is at work on it. */
export const RebuildAnswer = z.object({ run: RebuildRun.nullable(), busy: z.boolean() });
export type RebuildAnswer = z.infer<typeof RebuildAnswer>;

/** `generation`: the setting GENERATION, the name of the index among those that the same Redis holds. */
export const RebuildStatus = RebuildAnswer.extend({ generation: z.string() });
export type RebuildStatus = z.infer<typeof RebuildStatus>;

/** What the minute's bell finds out about the index. */
export const IndexCheck = z.object({
  /** `sound`: what it looked at is at the bucket's tail. `healed`: now it is. `rebuilding`: all of it must be looked at. `busy`: another looks. */
  state: z.enum(["sound", "healed", "rebuilding", "busy"]),
  /** Every record that was marked before this time is in the index; milliseconds since 1970, null when nobody knows. */
  soundMs: z.int().nullable(),
  /** Logs that were compared. */
  checked: z.int(),
  healedLogs: z.int(),
  healedRecords: z.int(),
  damaged: z.array(z.string()),
});
export type IndexCheck = z.infer<typeof IndexCheck>;
