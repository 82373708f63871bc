/** Listings: buckets, keys, uploads under way and their parts. */
import type { XmlNode } from "@aws-sdk/xml-builder";

import {
  compareKeys,
  continuationToken,
  KEYS_MAX,
  type ListingPage,
  listingPage,
  parseContinuation,
} from "../../functions/doors/s3/listing.ts";
import { S3Refusal } from "../../functions/doors/s3/refusals.ts";
import { RepositoryName } from "../../shared/names.ts";
import { type S3Call, xml } from "./s3-call.ts";
import type { MultipartUpload } from "./s3-multipart.ts";
import { etagOf, filesOf, type S3File, type S3View } from "./s3-view.ts";
import { element, elements, type XmlContent } from "./s3-xml.ts";

/** `file` null: a repository or a ref, of which only the name is told. */
type Listed = { key: string; file: S3File | null };
type Asked = { prefix: string; delimiter: string; after: string; afterFolded: boolean; max: number; encode: (text: string) => string };

const OWNER = elements({ ID: "modelferry", DisplayName: "modelferry" });
const LONG_AGO = "1970-01-01T00:00:00.000Z";

export async function listBuckets(call: S3Call): Promise<void> {
  const names = new Set((await call.view.repositories(undefined)).map((repository) => repository.split("/")[0] ?? ""));
  const buckets = [...names].sort().map((name) => element("Bucket", elements({ Name: name, CreationDate: LONG_AGO })));
  xml(call, "ListAllMyBucketsResult", [element("Owner", OWNER), element("Buckets", buckets)]);
}

/** Throws S3Refusal unless the caller may read something in the namespace, or may push there. */
export async function demandBucket({ view, target }: S3Call): Promise<void> {
  if ((await view.repositories(target.bucket)).length > 0) return;
  const scopes = await view.scopes();
  const isTheirs = scopes.some(({ repositories }) => repositories.startsWith("*") || repositories.startsWith(`${target.bucket}/`));
  if (!isTheirs) throw new S3Refusal("NoSuchBucket", "The specified bucket does not exist");
}

export async function listObjects(call: S3Call): Promise<void> {
  const { query, target, view } = call;
  const isV2 = query.get("list-type") === "2";
  const asked = askedOf(query, isV2);
  const entries = keysOf(view, target.bucket, asked);
  const page = await listingPage(entries, asked);
  if (page.items.length + page.folded.length === 0) await demandBucket(call);
  xml(call, "ListBucketResult", [
    ...elements({ Name: target.bucket, Prefix: asked.encode(asked.prefix), MaxKeys: asked.max }),
    ...(asked.delimiter === "" ? [] : [element("Delimiter", asked.encode(asked.delimiter))]),
    ...elements({ EncodingType: query.get("encoding-type"), IsTruncated: page.next !== null }),
    ...(isV2 ? tailV2(query, page, asked) : tailV1(query, page, asked)),
    ...page.items.flatMap(({ key, file }) =>
      file === null ? [] : [contentOf(asked.encode(key), file, !isV2 || query.get("fetch-owner") === "true")],
    ),
    ...page.folded.map((beginning) => element("CommonPrefixes", elements({ Prefix: asked.encode(beginning) }))),
  ]);
}

function askedOf(query: ReadonlyMap<string, string>, isV2: boolean): Asked {
  const prefix = query.get("prefix") ?? "";
  const delimiter = query.get("delimiter") ?? "";
  const token = query.get("continuation-token");
  const marker = query.get(isV2 ? "start-after" : "marker") ?? "";
  // A marker may be a folded beginning that was the last of a page.
  const isFolded = !isV2 && delimiter !== "" && marker.endsWith(delimiter);
  const start = isV2 && token !== undefined ? parseContinuation(token) : { after: marker, afterFolded: isFolded };
  return { prefix, delimiter, ...start, max: maxOf(query.get("max-keys")), encode: encoderOf(query.get("encoding-type")) };
}

function maxOf(text: string | undefined): number {
  if (text === undefined || text === "") return KEYS_MAX;
  if (!/^\d{1,10}$/.test(text)) throw new S3Refusal("InvalidArgument", "the most that is wanted is no number");
  return Math.min(KEYS_MAX, Number(text));
}

function encoderOf(type: string | undefined): Asked["encode"] {
  if (type === undefined) return (text) => text;
  if (type !== "url") throw new S3Refusal("InvalidArgument", "encoding-type may be url");
  return (text) => encodeURIComponent(text).replaceAll("%2F", "/").replaceAll("%20", "+");
}

function tailV2(query: ReadonlyMap<string, string>, { items, folded, next }: ListingPage<Listed>, { encode }: Asked): XmlNode[] {
  const startAfter = query.get("start-after");
  return elements({
    KeyCount: items.length + folded.length,
    ContinuationToken: query.get("continuation-token"),
    NextContinuationToken: next === null ? undefined : continuationToken(next),
    StartAfter: startAfter === undefined ? undefined : encode(startAfter),
  });
}

function tailV1(query: ReadonlyMap<string, string>, { next }: ListingPage<Listed>, { encode }: Asked): XmlNode[] {
  return elements({ Marker: encode(query.get("marker") ?? ""), NextMarker: next === null ? undefined : encode(next.after) });
}

function contentOf(key: string, file: S3File, withOwner: boolean): XmlNode {
  const fields: Record<string, XmlContent> = {
    Key: key,
    LastModified: new Date(file.atMs).toISOString(),
    ETag: etagOf(file),
    Size: file.size,
    StorageClass: "STANDARD",
    ...(withOwner ? { Owner: OWNER } : {}),
  };
  return element("Contents", elements(fields));
}

/** All keys with the prefix, in order; repositories that can't have any after `after` are not looked into. */
async function* keysOf(view: S3View, bucket: string, asked: Asked): AsyncGenerator<Listed> {
  const { prefix, delimiter, after } = asked;
  if (prefix.includes("/")) return yield* ofPrefix(view, bucket, prefix);
  if (prefix.includes("@")) return yield* refsOf(view, bucket, prefix);
  for (const repository of await view.repositories(bucket)) {
    const beginning = `${repository.slice(bucket.length + 1)}/`;
    // "0" is what follows "/".
    const isBehind = compareKeys(`${beginning.slice(0, -1)}0`, after) > 0;
    if (!beginning.startsWith(prefix) || !isBehind) continue;
    if (delimiter === "/") yield { key: beginning, file: null };
    else yield* withPrefix(filesOf(await view.branch(repository, null)), { beginning, prefix });
  }
}

/** The prefix names a repository, and maybe a ref of it. */
async function* ofPrefix(view: S3View, bucket: string, prefix: string): AsyncGenerator<Listed> {
  const place = await view.place({ bucket, key: prefix });
  if (place === null) return;
  yield* withPrefix(filesOf(await view.branch(place.repository, place.ref)), { beginning: place.prefix, prefix });
}

function* withPrefix(files: readonly S3File[], { beginning, prefix }: { beginning: string; prefix: string }): Generator<Listed> {
  for (const file of files) {
    const key = `${beginning}${file.path}`;
    if (key.startsWith(prefix)) yield { key, file };
  }
}

/** `name@`: its branches and tags. */
async function* refsOf(view: S3View, bucket: string, prefix: string): AsyncGenerator<Listed> {
  const [name = ""] = prefix.split("@");
  const repository = RepositoryName.safeParse(`${bucket}/${name}`);
  if (!repository.success) return;
  const names = await view.names(repository.data);
  if (names === null) return;
  const refs = [...Object.keys(names.branches), ...Object.keys(names.tags)].filter((ref) => !ref.includes("/"));
  const keys = [...new Set(refs)].map((ref) => `${name}@${ref}/`).sort(compareKeys);
  for (const key of keys) if (key.startsWith(prefix)) yield { key, file: null };
}

/** Of the repositories that the caller may push to. */
export async function listUploads(call: S3Call): Promise<void> {
  const { parts, target, query } = call;
  const prefix = query.get("prefix") ?? "";
  const mine: MultipartUpload[] = [];
  for (const upload of parts.uploads.list()) {
    const isOfIt = upload.of.repository.startsWith(`${target.bucket}/`) && upload.of.key.startsWith(prefix);
    if (isOfIt && (await call.view.may("push", upload.of.repository))) mine.push(upload);
  }
  const after = query.get("key-marker") ?? "";
  const sorted = mine.sort((a, b) => compareKeys(`${a.of.key}\n${a.id}`, `${b.of.key}\n${b.id}`));
  const rest = sorted.filter(({ of, id }) => compareKeys(`${of.key}\n${id}`, `${after}\n${query.get("upload-id-marker") ?? "\uffff"}`) > 0);
  const max = maxOf(query.get("max-uploads"));
  const [page, last] = [rest.slice(0, max), rest[max - 1]];
  const isMore = rest.length > max;
  xml(call, "ListMultipartUploadsResult", [
    ...elements({
      Bucket: target.bucket,
      KeyMarker: after,
      UploadIdMarker: query.get("upload-id-marker") ?? "",
      Prefix: prefix,
      MaxUploads: max,
    }),
    ...elements({
      NextKeyMarker: isMore ? last?.of.key : undefined,
      NextUploadIdMarker: isMore ? last?.id : undefined,
      IsTruncated: isMore,
    }),
    ...page.map(({ id, of }) =>
      element(
        "Upload",
        elements({
          Key: of.key,
          UploadId: id,
          Initiator: OWNER,
          Owner: OWNER,
          StorageClass: "STANDARD",
          Initiated: new Date(of.atMs).toISOString(),
        }),
      ),
    ),
  ]);
}

export function listParts(call: S3Call, upload: MultipartUpload): void {
  const { query, target } = call;
  const marker = Number(query.get("part-number-marker") ?? 0);
  const max = maxOf(query.get("max-parts"));
  const rest = upload.parts.filter(({ number }) => number > marker);
  const page = rest.slice(0, max);
  xml(call, "ListPartsResult", [
    ...elements({ Bucket: target.bucket, Key: target.key, UploadId: upload.id, Initiator: OWNER, Owner: OWNER, StorageClass: "STANDARD" }),
    ...elements({
      PartNumberMarker: marker,
      NextPartNumberMarker: page.at(-1)?.number ?? 0,
      MaxParts: max,
      IsTruncated: rest.length > max,
    }),
    ...page.map(({ number, size, md5, atMs }) =>
      element("Part", elements({ PartNumber: number, LastModified: new Date(atMs).toISOString(), ETag: `"${md5}"`, Size: size })),
    ),
  ]);
}
