/** The metrics of a checkpoint that transformers' Trainer wrote: the last value of each figure in its history. */
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import * as z from "zod";
import { MiB } from "../../shared/units.ts";

const STATE = "trainer_state.json";
const STATE_BYTES_MAX = 256 * MiB;
const METRICS_MAX = 64;
const NAME_LENGTH_MAX = 63;
const DECIMAL = /^-?\d{1,20}(\.\d{1,20})?(e[+-]?\d{1,3})?$/;

const State = z.looseObject({ log_history: z.array(z.record(z.string(), z.unknown())).catch([]) });

/** Decimal texts by name; empty when there is no such file, or none that can be read: a checkpoint is worth more than its figures. */
export async function trainerMetrics(folder: string): Promise<Record<string, string>> {
  const history = await readHistory(join(folder, STATE)).catch(() => []);
  const last = new Map<string, string>();
  for (const entry of history) {
    for (const [name, value] of Object.entries(entry)) {
      const text = typeof value === "number" ? String(value) : "";
      // `step` is a label, and numbers that are none (NaN of a diverged run) have no decimal.
      if (name !== "step" && name.length > 0 && name.length <= NAME_LENGTH_MAX && DECIMAL.test(text)) last.set(name, text);
    }
  }
  return Object.fromEntries([...last].slice(0, METRICS_MAX));
}

async function readHistory(path: string): Promise<Record<string, unknown>[]> {
  if ((await stat(path)).size > STATE_BYTES_MAX) return [];
  const text = await readFile(path, "utf8");
  // Python writes NaN and Infinity, which are no JSON.
  return State.parse(JSON.parse(text.replace(/(?<=[:[,]\s*)(NaN|-?Infinity)(?=\s*[,\]}])/g, "null"))).log_history;
}
