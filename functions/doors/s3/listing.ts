/** Pages of a listing: keys in the order of their UTF-8 bytes, those with a common beginning folded into one when there is a delimiter. */
import { fromBase64Url, toBase64Url } from "../../../shared/digest.ts";
import { S3Refusal } from "./refusals.ts";

export const KEYS_MAX = 1000;

/** Nothing up to `after` is listed; `afterFolded`: it is a common beginning, with all that begins so. */
export type ListingQuery = { prefix: string; delimiter: string; after: string; afterFolded: boolean; max: number };
export type ListingPage<E> = { items: E[]; folded: string[]; next: { after: string; folded: boolean } | null };

/** @param entries in order, all with the prefix; those before `after` may be left out. */
export async function listingPage<E extends { key: string }>(entries: AsyncIterable<E>, query: ListingQuery): Promise<ListingPage<E>> {
  const page: ListingPage<E> = { items: [], folded: [], next: null };
  let last = { after: query.after, folded: query.afterFolded };
  for await (const entry of entries) {
    const { key } = entry;
    if (compareKeys(key, last.after) <= 0 || (last.folded && key.startsWith(last.after))) continue;
    if (page.items.length + page.folded.length >= query.max) {
      page.next = query.max === 0 ? null : last;
      return page;
    }
    const beginning = foldedPart(key, query);
    if (beginning === null) page.items.push(entry);
    else page.folded.push(beginning);
    last = { after: beginning ?? key, folded: beginning !== null };
  }
  return page;
}

function foldedPart(key: string, { prefix, delimiter }: ListingQuery): string | null {
  const at = delimiter === "" ? -1 : key.indexOf(delimiter, prefix.length);
  return at < 0 ? null : key.slice(0, at + delimiter.length);
}

const ASCII = /^[\x20-\x7e]*$/;

/** By UTF-8 bytes, which is the order of code points, and not that of JavaScript's units. */
export function compareKeys(a: string, b: string): number {
  if (a === b) return 0;
  if (ASCII.test(a) && ASCII.test(b)) return a < b ? -1 : 1;
  const [left, right] = [new TextEncoder().encode(a), new TextEncoder().encode(b)];
  const length = Math.min(left.length, right.length);
  for (let at = 0; at < length; at++) {
    const difference = (left[at] ?? 0) - (right[at] ?? 0);
    if (difference !== 0) return difference;
  }
  return left.length - right.length;
}

export function continuationToken({ after, folded }: { after: string; folded: boolean }): string {
  return toBase64Url(new TextEncoder().encode(`${folded ? "f" : "k"}${after}`));
}

/** Throws S3Refusal. */
export function parseContinuation(token: string): { after: string; afterFolded: boolean } {
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(fromBase64Url(token));
    if (/^[fk]/.test(text)) return { after: text.slice(1), afterFolded: text.startsWith("f") };
  } catch {
    // Not ours.
  }
  throw new S3Refusal("InvalidArgument", "the continuation token is not one of ours");
}
