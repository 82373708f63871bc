/** ListObjects and ListObjectsV2. */
import { type Listed, type Objects, objectBytes } from "./objects.ts";
import { element, escaped } from "./xml.ts";

const KEYS_MAX = 1000;

type Page = { contents: Listed[]; folders: string[]; more: boolean; last: string };

export function listV2(bucket: string, objects: Objects, query: URLSearchParams): string {
  const after = query.get("continuation-token") ?? query.get("start-after") ?? "";
  const page = pageOf(objects, query, after);
  const next = page.more ? element("NextContinuationToken", written(query, page.last)) : "";
  const count = element("KeyCount", page.contents.length + page.folders.length);
  return result(bucket, query, page, count + next);
}

export function listV1(bucket: string, objects: Objects, query: URLSearchParams): string {
  const page = pageOf(objects, query, query.get("marker") ?? "");
  return result(bucket, query, page, page.more ? element("NextMarker", written(query, page.last)) : "");
}

/** Keys that share what follows the prefix up to the delimiter are one folder. */
function pageOf(objects: Objects, query: URLSearchParams, after: string): Page {
  const prefix = query.get("prefix") ?? "";
  const delimiter = query.get("delimiter") ?? "";
  const limit = Math.min(Number(query.get("max-keys") ?? KEYS_MAX), KEYS_MAX);
  const page: Page = { contents: [], folders: [], more: false, last: "" };
  for (const listed of objects.list(prefix, after)) {
    const folder = folderOf(listed.key, prefix, delimiter);
    const isKnown = folder !== null && (folder === page.folders.at(-1) || after.startsWith(folder));
    if (isKnown) continue;
    if (page.contents.length + page.folders.length >= limit) return { ...page, more: true };
    if (folder === null) page.contents.push(listed);
    else page.folders.push(folder);
    page.last = folder ?? listed.key;
  }
  return page;
}

function folderOf(key: string, prefix: string, delimiter: string): string | null {
  const end = delimiter === "" ? -1 : key.indexOf(delimiter, prefix.length);
  return end < 0 ? null : key.slice(0, end + delimiter.length);
}

function result(bucket: string, query: URLSearchParams, page: Page, paging: string): string {
  const contents = page.contents.map(({ key, object }) =>
    element(
      "Contents",
      element("Key", written(query, key)) +
        element("LastModified", new Date(object.modifiedAtMs).toISOString()) +
        element("ETag", `"${object.etag}"`) +
        element("Size", objectBytes(object)) +
        element("StorageClass", "STANDARD"),
    ),
  );
  const folders = page.folders.map((folder) => element("CommonPrefixes", element("Prefix", written(query, folder))));
  const about =
    element("Name", bucket) +
    element("Prefix", written(query, query.get("prefix") ?? "")) +
    element("MaxKeys", query.get("max-keys") ?? KEYS_MAX) +
    element("IsTruncated", page.more) +
    (query.has("encoding-type") ? element("EncodingType", "url") : "");
  return element("ListBucketResult", about + paging + contents.join("") + folders.join(""));
}

function written(query: URLSearchParams, text: string): string {
  return query.get("encoding-type") === "url" ? encodeURIComponent(text).replaceAll("%2F", "/") : escaped(text);
}
