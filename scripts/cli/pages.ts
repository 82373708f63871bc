/** Lists that the server gives in pages, read to the end or to a limit. */
const PAGE_MAX = 1000;

/** As in a query string. */
type Asked = { limit: string; cursor?: string };
type Page<T> = { items: readonly T[]; next: string | null };

/** Up to `limit` items; asks for no more than it needs. A page may have fewer than asked for, or more, before the last. */
export async function firstItems<T>(
  limit: number,
  readPage: (asked: Asked) => Promise<Page<T>>,
  pageMax = PAGE_MAX,
): Promise<{ items: T[]; more: boolean }> {
  const items: T[] = [];
  let cursor: string | null = null;
  do {
    const missing = `${Math.min(pageMax, limit - items.length)}`;
    const page: Page<T> = await readPage(cursor === null ? { limit: missing } : { limit: missing, cursor });
    items.push(...page.items);
    cursor = page.next;
  } while (cursor !== null && items.length < limit);
  return { items: items.slice(0, limit), more: cursor !== null || items.length > limit };
}
