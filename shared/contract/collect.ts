/** Collection: giving back the storage of chunks that no revision names, in resumable steps. */
import * as z from "zod";

/** In this order; `aborted` from any of them. */
export const CollectPhase = z.enum(["scan", "sift", "publish", "wait", "rescan", "final", "delete", "done", "aborted"]);
export type CollectPhase = z.infer<typeof CollectPhase>;

export const CollectRun = z.strictObject({
  v: z.literal(1),
  /** Sorts by time. */
  run: z.string().regex(/^[0-9]{13}-[0-9a-f]{8}(?![\s\S])/),
  phase: CollectPhase,
  /** Finds garbage, deletes nothing. */
  dryRun: z.boolean(),
  /** Share of all chunks that may go, in thousandths; the deployment's default when null. */
  shareMaxPermille: z.int().min(0).max(1000).nullable(),
  startedAtMs: z.int(),
  /** By the store's clock, when the scan began; null before. */
  scanFromMs: z.int().nullable(),
  publishedAtMs: z.int().nullable(),
  endedAtMs: z.int().nullable(),
  /** When the index was scrubbed of the run's keys once more, long after. */
  scrubbedAtMs: z.int().nullable(),
  /** Last key that the phase has dealt with; null at its start. */
  cursor: z.string().nullable(),
  /** First digits of a digest that make a partition: one; two when the last run saw many chunks; none when one page lists them all. */
  digits: z.union([z.literal(0), z.literal(1), z.literal(2)]),
  /** Number of the phase's next work object or partition. */
  part: z.int(),
  envelopes: z.int(),
  roots: z.int(),
  rootChunks: z.int(),
  /** Envelopes that no record names any more; deleted at the end. */
  deadEnvelopes: z.array(z.string()),
  chunks: z.int(),
  chunkBytes: z.int(),
  /** Live chunks that the store does not have. Any is damage; a run that deletes stops at one. */
  missing: z.int(),
  garbage: z.int(),
  garbageBytes: z.int(),
  /** More garbage was found than one run takes. */
  more: z.boolean(),
  deleted: z.int(),
  /** Some live envelopes, checked again before anything is published. */
  canaries: z.array(z.string()),
  problem: z.string().nullable(),
});
export type CollectRun = z.infer<typeof CollectRun>;

export const CollectRequest = z.strictObject({
  dryRun: z.boolean().default(true),
  /** 0 to 1; for a clean-up that is known to be large. */
  shareMax: z.number().min(0).max(1).optional(),
});

/** `run`: the newest, null when there was none. `busy`: another caller is at work on it. */
export const CollectAnswer = z.object({ run: CollectRun.nullable(), busy: z.boolean() });
export type CollectAnswer = z.infer<typeof CollectAnswer>;
