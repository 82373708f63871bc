/** What a run of the bench says: tables, targets, what was skipped and why. As data, for docs/benchmarks and for printing. */
import * as z from "zod";
import { Machine } from "./machine.ts";
import { Spread } from "./measure/stats.ts";

/** A figure, several ones, or a word; null: not known. */
export const Cell = z.union([z.number(), Spread, z.string(), z.null()]);
export type Cell = z.infer<typeof Cell>;

export const Table = z.object({
  title: z.string(),
  columns: z.array(z.string()),
  rows: z.array(z.object({ name: z.string(), cells: z.array(Cell) })),
});
export type Table = z.infer<typeof Table>;

/** `figure` null: what it is measured against was not there. */
export const Judged = z.object({
  target: z.string(),
  wanted: z.string(),
  figure: z.number().nullable(),
  ok: z.boolean().nullable(),
  /** The peer that the figure is against, where there is a choice. */
  against: z.string().optional(),
});
export type Judged = z.infer<typeof Judged>;

export const SkippedCase = z.object({ case: z.string(), reason: z.string() });

export const ScenarioReport = z.object({
  name: z.string(),
  /** Such as `2.0 GiB in 32 files`, `5 rounds`. */
  conditions: z.array(z.string()),
  tables: z.array(Table),
  targets: z.array(Judged),
  skipped: z.array(SkippedCase),
  notes: z.array(z.string()),
});
export type ScenarioReport = z.infer<typeof ScenarioReport>;

export const BenchFile = z.object({
  v: z.literal(1),
  at: z.string(),
  /** Of the source, when it is a clone; `+`: changed since. */
  commit: z.string().nullable(),
  machine: Machine,
  scenarios: z.array(ScenarioReport),
});
export type BenchFile = z.infer<typeof BenchFile>;
