/**
 * The margins of collection, in one place. The first two are the protocol's only assumptions on time, and both are many times what the
 * protocol needs (docs/design.md, Leases and collection); the rest are rails against mistakes, ours or an operator's.
 */
import * as z from "zod";

const HOUR_MS = 3_600_000;

export const Margins = z.strictObject({
  /** Younger chunks are never garbage: a push that stores them needs time to commit. */
  chunkAgeMs: z
    .int()
    .min(0)
    .default(48 * HOUR_MS),
  /** Younger envelopes without a record are roots; a commit refuses to dawdle for more than 10 minutes. */
  pendingMs: z
    .int()
    .min(26 * HOUR_MS)
    .default(72 * HOUR_MS),
  /** Between publishing an intent and scanning again. Only saves uploads that would be asked for anew. */
  intentWaitMs: z.int().min(0).default(900_000),
  /** A run that would delete a larger share of all chunks stops. */
  shareMax: z.number().min(0).max(1).default(0.2),
  /** Chunks that one run deletes; what is more waits for the next. */
  garbageMax: z.int().min(1).max(100_000).default(100_000),
  /** The store's clock and ours may differ by this. */
  skewMs: z.int().min(0).default(300_000),
  /** How long flags and the records of a run are kept after its end: longer than an upload lives, twice. */
  retainMs: z
    .int()
    .min(16 * 24 * HOUR_MS)
    .default(30 * 24 * HOUR_MS),
});
export type Margins = z.infer<typeof Margins>;
