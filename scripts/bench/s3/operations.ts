/**
 * S3 as the bench needs it, for path-style requests to one bucket: objects, ranges, listings (both versions), parts, create-only PUTs.
 * It looks whose key signed, and not at the signature: no client here is hostile. Copies, ACLs and versions are not there.
 */
import type { Answer, Intake } from "./connection.ts";
import { type Content, ContentWriter, etagOf, falseClaim, isLost, type Piece } from "./content.ts";
import type { Counts } from "./counts.ts";
import type { Fate, Fates } from "./faults.ts";
import type { RequestHead } from "./http-head.ts";
import { listV1, listV2 } from "./listing.ts";
import { type Objects, objectBytes, type PartUploads, type StoredObject } from "./objects.ts";
import { deletedKeys, element, failure, xml } from "./xml.ts";

export type Bucket = {
  name: string;
  accessKeyId: string;
  /** Where large bodies go. */
  folder: string;
  objects: Objects;
  parts: PartUploads;
  fates: Fates;
  counts: Counts;
  /** Large bodies below these keys are thrown away. */
  discard: readonly string[];
};

type Asked = { bucket: Bucket; head: RequestHead; key: string };

/** What becomes of a request: `end` is called when its body has been taken in. */
export function begin(bucket: Bucket, head: RequestHead): Intake {
  const [, name, key = ""] = /^\/([^/]*)(?:\/(.*))?$/s.exec(head.path) ?? [];
  bucket.counts.add(head.method, key === "" ? (head.query.get("prefix") ?? "") : key);
  const asked = { bucket, head, key };
  if (!isSigned(asked)) return reading(() => failure(403, "AccessDenied"));
  if (name !== bucket.name) return reading(() => failure(404, "NoSuchBucket"));
  if (head.headers.has("x-amz-copy-source")) return reading(() => failure(501, "NotImplemented"));
  return key === "" ? beginBucket(asked) : beginObject(asked);
}

function beginBucket({ bucket, head }: Asked): Intake {
  const { method, query } = head;
  if (method === "POST" && query.has("delete")) return text((body) => deleteMany(bucket, body));
  if (method === "HEAD" || method === "PUT") return reading(() => xml("", 200));
  if (query.has("location")) return reading(() => xml(element("LocationConstraint", "")));
  if (query.has("versioning")) return reading(() => xml(element("VersioningConfiguration", "")));
  const list = query.get("list-type") === "2" ? listV2 : listV1;
  return reading(() => xml(list(bucket.name, bucket.objects, query)));
}

function beginObject(asked: Asked): Intake {
  const { bucket, head, key } = asked;
  const uploadId = head.query.get("uploadId");
  switch (head.method) {
    case "GET":
    case "HEAD":
      return reading(() => read(asked));
    case "PUT":
      return uploadId === null ? put(asked) : putPart(asked, uploadId);
    case "DELETE":
      return reading(() => {
        if (uploadId === null) bucket.objects.delete(key);
        else bucket.parts.abort(uploadId);
        return xml("", 204);
      });
    case "POST":
      return text(() => (uploadId === null ? initiate(asked) : complete(asked, uploadId)));
    default:
      return reading(() => failure(501, "NotImplemented"));
  }
}

function put(asked: Asked): Intake {
  const { bucket, head, key } = asked;
  return storing(asked, (object) => {
    if (head.headers.has("if-none-match") && bucket.objects.get(key) !== undefined) return failure(412, "PreconditionFailed");
    bucket.objects.set(key, object);
    return { ...xml("", 200), headers: { etag: `"${object.etag}"` } };
  });
}

function putPart(asked: Asked, uploadId: string): Intake {
  return storing(asked, (object) => {
    const number = Number(asked.head.query.get("partNumber"));
    if (!asked.bucket.parts.add(uploadId, number, object)) return failure(404, "NoSuchUpload");
    return { ...xml("", 200), headers: { etag: `"${object.etag}"` } };
  });
}

let bodyCount = 0;

function storing({ bucket, head, key }: Asked, keep: (object: StoredObject) => Answer): Intake {
  const number = ++bodyCount;
  const isKept = !bucket.discard.some((prefix) => key.startsWith(prefix));
  const writer = new ContentWriter(`${bucket.folder}/body-${number}`, isKept);
  return {
    write: (bytes) => writer.write(bytes),
    abandon: () => writer.abandon(),
    end: () => {
      const piece = writer.end();
      const fate = bucket.fates.draw(piece.sizeBytes, performance.now());
      if (fate.refused) return failure(503, "SlowDown");
      const wrong = falseClaim(head.headers, piece);
      if (wrong !== null) return failure(400, wrong === "x-amz-content-sha256" ? "XAmzContentSHA256Mismatch" : "BadDigest");
      return { ...keep(objectOf(head, piece, number)), fate };
    },
  };
}

function objectOf({ headers }: RequestHead, piece: Piece, number: number): StoredObject {
  const kept = [...headers].filter(([name]) => name === "content-type" || name.startsWith("x-amz-meta-"));
  const content: Content = piece.sizeBytes === 0 ? [] : [piece];
  return { content, etag: etagOf(headers, piece, number), modifiedAtMs: Date.now(), headers: Object.fromEntries(kept) };
}

function read({ bucket, head, key }: Asked): Answer {
  const object = bucket.objects.get(key);
  if (object === undefined) return head.method === "HEAD" ? xml("", 404) : failure(404, "NoSuchKey");
  const totalBytes = objectBytes(object);
  const headers: Record<string, string> = {
    ...object.headers,
    etag: `"${object.etag}"`,
    "last-modified": new Date(object.modifiedAtMs).toUTCString(),
    "accept-ranges": "bytes",
  };
  const range = rangeOf(head.headers.get("range"), totalBytes);
  if (range === "outside") return failure(416, "InvalidRange");
  const { offset, sizeBytes } = range ?? { offset: 0, sizeBytes: totalBytes };
  if (range !== null) headers["content-range"] = `bytes ${offset}-${offset + sizeBytes - 1}/${totalBytes}`;
  const status = range === null ? 200 : 206;
  if (head.method === "HEAD") return { status, headers, body: { sizeBytes }, fate: null };
  if (isLost(object.content)) return failure(404, "NoSuchKey");
  const fate = bucket.fates.draw(totalBytes, performance.now());
  if (fate.refused) return failure(503, "SlowDown");
  return { status, headers, body: { content: object.content, offset, sizeBytes }, fate: within(fate, sizeBytes) };
}

/** A stall was drawn for the whole object; in a part of it, it comes as far in. */
function within(fate: Fate, sizeBytes: number): Fate {
  return fate.stallAtByte === null ? fate : { ...fate, stallAtByte: fate.stallAtByte % Math.max(1, sizeBytes) };
}

function rangeOf(header: string | undefined, totalBytes: number): { offset: number; sizeBytes: number } | "outside" | null {
  const [, from, to] = /^bytes=(\d*)-(\d*)$/.exec(header ?? "") ?? [];
  if (from === undefined || to === undefined || from + to === "") return null;
  const offset = from === "" ? Math.max(0, totalBytes - Number(to)) : Number(from);
  const end = from === "" || to === "" ? totalBytes : Math.min(Number(to) + 1, totalBytes);
  return offset >= end ? "outside" : { offset, sizeBytes: end - offset };
}

function initiate({ bucket, head, key }: Asked): Answer {
  const id = bucket.parts.begin(key, {});
  if (!head.query.has("uploads")) return failure(501, "NotImplemented");
  return xml(element("InitiateMultipartUploadResult", element("UploadId", id)));
}

function complete({ bucket, key }: Asked, uploadId: string): Answer {
  const object = bucket.parts.complete(uploadId, Date.now());
  if (object === null) return failure(404, "NoSuchUpload");
  bucket.objects.set(key, object);
  return xml(element("CompleteMultipartUploadResult", element("ETag", `"${object.etag}"`)));
}

function deleteMany(bucket: Bucket, body: string): Answer {
  for (const key of deletedKeys(body)) bucket.objects.delete(key);
  return xml(element("DeleteResult", ""));
}

function isSigned({ bucket, head }: Asked): boolean {
  const credential = head.query.get("X-Amz-Credential") ?? /Credential=([^,\s]+)/.exec(head.headers.get("authorization") ?? "")?.[1] ?? "";
  return credential.startsWith(`${bucket.accessKeyId}/`);
}

/** A request whose body, if it has one, means nothing. */
function reading(answer: () => Answer): Intake {
  return { write: () => {}, abandon: () => {}, end: answer };
}

function text(answer: (body: string) => Answer): Intake {
  const pieces: Buffer[] = [];
  return {
    write: (bytes) => void pieces.push(Buffer.from(bytes)),
    abandon: () => {},
    end: () => answer(Buffer.concat(pieces).toString("utf8")),
  };
}
