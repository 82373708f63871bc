import type { Bucket, ObjectInfo } from "./ports.ts";

/** All objects with a prefix that is known to hold few (thousands at most). */
export async function listAll(bucket: Bucket, prefix: string): Promise<ObjectInfo[]> {
  const objects: ObjectInfo[] = [];
  for await (const page of pagesOf(bucket, prefix)) objects.push(...page);
  return objects;
}

/** Pages of at most 1,000 objects, in order of key, after `after`. */
export async function* pagesOf(bucket: Bucket, prefix: string, after?: string): AsyncGenerator<ObjectInfo[]> {
  let last = after;
  for (;;) {
    const page = await bucket.list(prefix, { limit: 1000, ...(last === undefined ? {} : { after: last }) });
    if (page.objects.length > 0) yield page.objects;
    last = page.objects.at(-1)?.key ?? last;
    if (!page.more) return;
  }
}
