/** A tensor as its file describes it: `offset` and `sizeBytes` say where its bytes are in the file, padding not counted. */
export type TensorInfo = { name: string; dtype: string; shape: number[]; offset: number; sizeBytes: number };

/** How many elements a tensor of this shape has; `null` beyond 2^53, which no file holds. */
export function elementCount(shape: readonly number[]): number | null {
  // A zero makes the product 0 whatever the rest; else a prefix beyond 2^53 stays beyond.
  if (shape.includes(0)) return 0;
  let count = 1;
  for (const length of shape) {
    count *= length;
    if (count > Number.MAX_SAFE_INTEGER) return null;
  }
  return count;
}
