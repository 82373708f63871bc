/** Multipart uploads over the wire: create, parts, complete, abort. */

import { createHash } from "node:crypto";
import { COMMIT_PATH } from "../../functions/doors/s3/address.ts";
import { S3Refusal } from "../../functions/doors/s3/refusals.ts";
import type { ByteRange } from "../../shared/ranges.ts";
import { BODY_BYTES_MAX, sizeOfBody, takeBody, takeText } from "./s3-body.ts";
import { empty, header, type S3Call, xml } from "./s3-call.ts";
import { type MultipartUpload, PART_NUMBER_MAX, type PartWriting } from "./s3-multipart.ts";
import { eachByte } from "./s3-read.ts";
import { branchName, etagOf, findFile } from "./s3-view.ts";
import { checkConditions, copySource, demandQuota, placeToWrite } from "./s3-write.ts";
import { document, elements, parseComplete, XML_HEAD } from "./s3-xml.ts";

/** After so long something is sent while the parts are put together: clients lose patience. */
const SIGN_OF_LIFE_MS = 10_000;

export async function createUpload(call: S3Call): Promise<void> {
  const { target, parts } = call;
  const place = await placeToWrite(call);
  if (place.path === COMMIT_PATH) throw new S3Refusal("InvalidArgument", "a commit is put in one request");
  const of = { repository: place.repository, branch: branchName(place.ref), path: place.path, key: target.key, atMs: parts.nowMs() };
  const upload = await parts.uploads.begin(of);
  const algorithm = header(call, "x-amz-checksum-algorithm");
  if (algorithm !== undefined) call.response.setHeader("x-amz-checksum-algorithm", algorithm);
  xml(call, "InitiateMultipartUploadResult", elements({ Bucket: target.bucket, Key: target.key, UploadId: upload.id }));
}

/** The upload that the request names. Throws S3Refusal. */
export async function uploadOf(call: S3Call): Promise<MultipartUpload> {
  const upload = call.parts.uploads.find(call.query.get("uploadId") ?? "");
  const isThere = upload !== null && upload.of.key === call.target.key && upload.of.repository.startsWith(`${call.target.bucket}/`);
  if (!isThere) throw new S3Refusal("NoSuchUpload", "The specified upload does not exist. It may have been aborted or completed.");
  await call.view.demandPush(upload.of.repository);
  return upload;
}

export async function uploadPart(call: S3Call): Promise<void> {
  const upload = await uploadOf(call);
  const number = partNumber(call);
  if (header(call, "x-amz-copy-source") !== undefined) return copyPart(call, upload, number);
  const sizeBytes = sizeOfBody(call);
  const writing = await upload.begin(number, sizeBytes);
  const taken = await keepOrDrop(writing, async () => {
    const body = await takeBody(call, { sha256: false, md5: true }, (bytes) => writing.write(bytes));
    await writing.keep(body.md5 ?? "", call.parts.nowMs());
    return body;
  });
  call.parts.counts.takenBytes += sizeBytes;
  empty(call, 200, { etag: `"${taken.md5}"`, ...taken.checksums });
}

async function keepOrDrop<T>(writing: PartWriting, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    await writing.drop();
    throw error;
  }
}

function partNumber({ query }: S3Call): number {
  const number = Number(query.get("partNumber"));
  if (Number.isInteger(number) && number >= 1 && number <= PART_NUMBER_MAX) return number;
  throw new S3Refusal("InvalidArgument", `parts are numbered from 1 to ${PART_NUMBER_MAX}`);
}

/** The bytes of a range of another object. */
async function copyPart(call: S3Call, upload: MultipartUpload, number: number): Promise<void> {
  const { file } = await copySource(call);
  const range = copiedRange(header(call, "x-amz-copy-source-range"), file.size);
  const sizeBytes = range.end - range.start;
  if (sizeBytes > BODY_BYTES_MAX) throw new S3Refusal("EntityTooLarge", `a part has at most ${BODY_BYTES_MAX} bytes`);
  const hash = createHash("md5");
  const writing = await upload.begin(number, sizeBytes);
  const md5 = await keepOrDrop(writing, async () => {
    await eachByte(call, file, range, async (bytes) => {
      hash.update(bytes);
      await writing.write(bytes);
    });
    const digest = hash.digest("hex");
    await writing.keep(digest, call.parts.nowMs());
    return digest;
  });
  xml(call, "CopyPartResult", elements({ LastModified: new Date(call.parts.nowMs()).toISOString(), ETag: `"${md5}"` }));
}

function copiedRange(said: string | undefined, sizeBytes: number): ByteRange {
  if (said === undefined) return { start: 0, end: sizeBytes };
  const [, first = "", last = ""] = /^bytes=(\d{1,15})-(\d{1,15})$/.exec(said) ?? [];
  const range = { start: Number(first), end: Number(last) + 1 };
  if (first === "" || range.start >= range.end || range.end > sizeBytes)
    throw new S3Refusal("InvalidArgument", "the range is not within the copied object");
  return range;
}

export async function completeUpload(call: S3Call): Promise<void> {
  const meant = parseComplete(await takeText(call));
  const done = await completedBefore(call);
  if (done !== null) return answerComplete(call, done);
  const upload = await uploadOf(call);
  const chosen = upload.choose(meant);
  const size = chosen.reduce((sum, part) => sum + part.size, 0);
  const said = header(call, "x-amz-mp-object-size");
  if (said !== undefined && said !== String(size)) throw new S3Refusal("InvalidRequest", `the parts have ${size} bytes, not ${said}`);
  const branch = await call.view.branch(upload.of.repository, upload.of.branch);
  checkConditions(call, findFile(branch, upload.of.path));
  await demandQuota(call, branch, upload.of.path, size);
  const { pending, uploads, nowMs } = call.parts;
  const target = pending.open(upload.of.repository, upload.of.branch, nowMs());
  await alive(call, async () => {
    const { sha256 } = await upload.complete(chosen, target, nowMs());
    uploads.end(upload);
    return completedXml(call, etagOf({ sha256 }));
  });
}

/** The etag, when this upload was completed already and the answer was lost. */
async function completedBefore(call: S3Call): Promise<string | null> {
  const id = call.query.get("uploadId") ?? "";
  for (const branch of call.parts.pending.list()) {
    for (const change of branch.changes.values()) {
      if (change.kind !== "put" || change.upload !== id) continue;
      await call.view.demandPush(branch.repository);
      return etagOf(change);
    }
  }
  return null;
}

function answerComplete(call: S3Call, etag: string): void {
  call.response.writeHead(200, { "content-type": "application/xml" });
  call.response.end(XML_HEAD + completedXml(call, etag));
}

function completedXml({ target, request }: S3Call, etag: string): string {
  const location = `http://${request.headers.host ?? ""}/${target.bucket}/${encodeURI(target.key)}`;
  return document("CompleteMultipartUploadResult", elements({ Location: location, Bucket: target.bucket, Key: target.key, ETag: etag }));
}

/** As S3 does it: the head and blanks while it takes long; then a failure can only be told in the body. */
async function alive(call: S3Call, work: () => Promise<string>): Promise<void> {
  const { response } = call;
  const timer = setInterval(() => {
    if (response.headersSent) return void response.write(" ");
    response.writeHead(200, { "content-type": "application/xml" });
    response.write(XML_HEAD);
  }, SIGN_OF_LIFE_MS);
  try {
    const text = await work();
    if (!response.headersSent) {
      response.writeHead(200, { "content-type": "application/xml" });
      response.write(XML_HEAD);
    }
    response.end(text);
  } finally {
    clearInterval(timer);
  }
}

export async function abortUpload(call: S3Call): Promise<void> {
  call.parts.uploads.end(await uploadOf(call));
  empty(call, 204);
}
