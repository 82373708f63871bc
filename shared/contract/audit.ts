/**
 * The audit trail: who did what, where, when, from where, and how it ended.
 *
 * Events are kept in batches, each an object of its own, so that writers never wait for one another. A batch's name says when it was
 * written, by which isolate, and the SHA-256 of its content; it names the batches of the same isolate that no other names yet. Every hour
 * a seal says which batches there are, and names the seal before it. So a change of a batch shows in its name, a batch that was removed
 * is missed by the next one of its isolate and by the seal of its hour, and a seal that was changed is missed by the next.
 */
import * as z from "zod";
import { Digest } from "../digest.ts";

const text = z.string().max(300);

export const AuditEvent = z.strictObject({
  at: z.iso.datetime(),
  requestId: text,
  /** Null when it is not known. */
  address: text.nullable(),
  /** Null: nobody whom a token vouched for. */
  caller: z.strictObject({ id: text, name: text }).nullable(),
  /** The name of a route, or of what a clock did. */
  act: text,
  repository: text.nullable(),
  /** What the act was about: a tag, a revision, a token's id, how many URLs. Never a secret. */
  about: z.record(text, text),
  /** `OK`, or the code of what went wrong. */
  result: text,
});
export type AuditEvent = z.infer<typeof AuditEvent>;

/** `<time17>-<writer>-<seq6>-<sha256>`; in order of time. */
export const BatchName = z.string().regex(/^\d{17}-[0-9a-f]{16}-\d{6,12}-[0-9a-f]{64}(?![\s\S])/, "not the name of a batch");

export const AuditBatch = z.strictObject({
  v: z.literal(1),
  writer: z.string().regex(/^[0-9a-f]{16}(?![\s\S])/),
  seq: z.int().min(1),
  at: z.iso.datetime(),
  /** Names of the same writer's batches that no other batch of it names. */
  prev: z.array(BatchName),
  /** Events that found no room before they could be written. */
  dropped: z.int().min(0),
  events: z.array(AuditEvent),
});
export type AuditBatch = z.infer<typeof AuditBatch>;

/** `yyyymmddhh`, of names that begin with it. */
export const AuditHour = z.string().regex(/^\d{10}(?![\s\S])/, "not an hour");

export const AuditSeal = z.strictObject({
  v: z.literal(1),
  hour: AuditHour,
  /** The seal before this one, and the SHA-256 of its bytes; null: this is the first. */
  prev: z.strictObject({ hour: AuditHour, sha256: Digest }).nullable(),
  count: z.int().min(1),
  /** SHA-256 of the names of the hour's batches, each with a line's end. */
  names: Digest,
});
export type AuditSeal = z.infer<typeof AuditSeal>;

/** All that are given must hold. */
export const AuditQuery = z.strictObject({
  since: z.iso.datetime().optional(),
  until: z.iso.datetime().optional(),
  /** A token's id, or a caller's name. */
  caller: z.string().min(1).max(200).optional(),
  repository: z.string().min(1).max(200).optional(),
  act: z.string().min(1).max(100).optional(),
  /** `OK`, or a code; `failed`: all but `OK`. */
  result: z.string().min(1).max(100).optional(),
  cursor: z
    .string()
    .regex(/^\d{17}-[0-9a-f]{16}-\d{6,12}-[0-9a-f]{64}:\d{1,6}(?![\s\S])/, "not a cursor of ours")
    .optional(),
  limit: z.coerce.number().int().min(1).max(1000).default(100),
});
export type AuditQuery = z.output<typeof AuditQuery>;

/** In order of time, to within the seconds that a batch waits. `damaged`: names of batches that can't be read or were changed. */
export const AuditPage = z.object({ events: z.array(AuditEvent), damaged: z.array(z.string()), next: z.string().nullable() });
export type AuditPage = z.infer<typeof AuditPage>;

/** Batches as they are in the bucket, for whoever checks them. The cursor is the last name. */
export const AuditBatchQuery = z.strictObject({
  since: z.iso.datetime().optional(),
  cursor: BatchName.optional(),
  limit: z.coerce.number().int().min(1).max(200).default(100),
});
export type AuditBatchQuery = z.output<typeof AuditBatchQuery>;
export const AuditBatchPage = z.object({ batches: z.array(z.object({ name: z.string(), text: z.string() })), next: z.string().nullable() });
export type AuditBatchPage = z.infer<typeof AuditBatchPage>;

export const AuditSealQuery = z.strictObject({
  cursor: AuditHour.optional(),
  limit: z.coerce.number().int().min(1).max(200).default(100),
});
export type AuditSealQuery = z.output<typeof AuditSealQuery>;
export const AuditSealPage = z.object({ seals: z.array(z.object({ hour: z.string(), text: z.string() })), next: z.string().nullable() });
export type AuditSealPage = z.infer<typeof AuditSealPage>;

/** The time of a batch's name, and what begins the names of a time. */
export function timeOfAudit(iso: string): string {
  return iso.replace(/\D/g, "").slice(0, 17);
}
