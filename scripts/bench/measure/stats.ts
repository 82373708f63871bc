/** Medians and what lies around them. */
import * as z from "zod";

export const Spread = z.object({ median: z.number(), min: z.number(), max: z.number() });
export type Spread = z.infer<typeof Spread>;

/** Null of nothing. */
export function spreadOf(values: readonly number[]): Spread | null {
  const sorted = values.toSorted((a, b) => a - b);
  const [min, max] = [sorted[0], sorted.at(-1)];
  if (min === undefined || max === undefined) return null;
  return { median: quantile(sorted, 0.5), min, max };
}

/** @param sorted ascending, not empty. Between two values in proportion. */
export function quantile(sorted: readonly number[], share: number): number {
  const at = (sorted.length - 1) * share;
  const low = sorted[Math.floor(at)] ?? Number.NaN;
  const high = sorted[Math.ceil(at)] ?? Number.NaN;
  return low + (high - low) * (at - Math.floor(at));
}

/** Of the straight line that lies best (least squares) through values at 0, 1, 2, …. 0 for fewer than two. */
export function slopeOf(values: readonly number[]): number {
  const middle = (values.length - 1) / 2;
  let [weighted, squares] = [0, 0];
  for (const [at, value] of values.entries()) {
    weighted += (at - middle) * value;
    squares += (at - middle) ** 2;
  }
  return squares === 0 ? 0 : weighted / squares;
}

/** A random order. @param random 0 to 1. */
export function shuffled<T>(values: readonly T[], random: () => number): T[] {
  return values
    .map((value) => ({ value, at: random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ value }) => value);
}
