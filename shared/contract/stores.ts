/** Stores, and what a probe has proven about them. */
import * as z from "zod";
import { StoreId } from "../names.ts";
import { TicketMode } from "./uploads.ts";

/** One thing that was tried. `enforced`: null when it could not be tried. */
export const ProbeCheck = z.object({ check: z.string(), ok: z.boolean().nullable(), detail: z.string() });
export type ProbeCheck = z.infer<typeof ProbeCheck>;

export const ProbeResult = z.object({
  v: z.literal(1),
  store: StoreId,
  probedAt: z.string(),
  /** Proven ways of refusing wrong bytes, strongest first; empty: no direct uploads. */
  modes: z.array(TicketMode),
  /** Create-only is honoured, also among racers. Without it a store can't be home. */
  createOnly: z.boolean(),
  listAfterPut: z.boolean(),
  rangeReads: z.boolean(),
  clockSkewSeconds: z.number(),
  checks: z.array(ProbeCheck),
});
export type ProbeResult = z.infer<typeof ProbeResult>;

export const StoreSummary = z.object({
  id: StoreId,
  home: z.boolean(),
  provider: z.string(),
  endpoint: z.string(),
  bucket: z.string(),
  prefix: z.string(),
  probe: ProbeResult.nullable(),
});
export type StoreSummary = z.infer<typeof StoreSummary>;
export const StoreList = z.object({ stores: z.array(StoreSummary) });

/** What `ferry store setup` did: CORS and lifecycle rules, where the store allows them. */
export const SetupResult = z.object({
  store: StoreId,
  steps: z.array(z.object({ step: z.string(), done: z.boolean(), detail: z.string() })),
});
export type SetupResult = z.infer<typeof SetupResult>;
