/** Runs `work` over `items`, at most `width` at once, results in order. The first failure stops the rest from starting. */
export async function pooled<T, R>(items: readonly T[], width: number, work: (item: T, at: number) => Promise<R>): Promise<R[]> {
  const results = new Array<R>(items.length);
  let next = 0;
  let failed = false;
  async function run(): Promise<void> {
    while (next < items.length && !failed) {
      const at = next++;
      try {
        results[at] = await work(items[at] as T, at);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, run));
  return results;
}

/** A Worker may have six requests waiting for headers; a seventh would only queue. */
export const STORE_WIDTH = 6;
