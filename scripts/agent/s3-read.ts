/** GetObject and HeadObject: conditions, ranges, and the bytes, from the cache or from what is pending. Never a redirect. */
import { createHash } from "node:crypto";
import { closeSync, constants, openSync } from "node:fs";
import type { ServerResponse } from "node:http";
import { extname } from "node:path";
import type { Source } from "../../functions/doors/catalog.ts";
import { COMMIT_PATH } from "../../functions/doors/s3/address.ts";
import { S3Refusal } from "../../functions/doors/s3/refusals.ts";
import type { Digest } from "../../shared/digest.ts";
import { FerryError } from "../../shared/errors.ts";
import { type ByteRange, contentRange, type Extent, rangeOf } from "../../shared/ranges.ts";
import { MiB } from "../../shared/units.ts";
import { readAt } from "../node/read-at.ts";
import { wantedOf } from "./api-catalog.ts";
import type { Stretch } from "./chunk-access.ts";
import { ChunkFile } from "./chunk-file.ts";
import { header, type S3Call, send } from "./s3-call.ts";
import type { Change } from "./s3-pending.ts";
import { type Branch, etagOf, findFile, type S3File } from "./s3-view.ts";
import { sendFile } from "./sending.ts";

/** Chunks that are let come while one is sent. */
const AHEAD_CHUNKS = 3;
const TYPES: Readonly<Record<string, string>> = {
  ".json": "application/json",
  ".txt": "text/plain; charset=utf-8",
  ".md": "text/plain; charset=utf-8",
};

/** Throws S3Refusal, and what the registry answers. */
export async function getObject(call: S3Call): Promise<void> {
  const place = await call.view.place(call.target);
  if (place === null) throw noSuchKey();
  const branch = await call.view.branch(place.repository, place.ref);
  if (place.path === COMMIT_PATH) return getCommit(call, branch);
  const file = findFile(branch, place.path);
  if (file === null) throw noSuchKey();
  if (!passes(call, file)) return;
  await sendObject(call, await resolved(call, file));
}

export function noSuchKey(): S3Refusal {
  return new S3Refusal("NoSuchKey", "The specified key does not exist.");
}

/** The message of the branch's newest revision: what was put there last. */
function getCommit(call: S3Call, { snapshot }: Branch): void {
  if (snapshot === null) throw noSuchKey();
  const { message, id, time } = snapshot.revision;
  call.response.setHeader("etag", commitEtag(message));
  call.response.setHeader("last-modified", httpDate(Date.parse(time)));
  call.response.setHeader("x-ferry-revision", id);
  send(call, 200, message, "text/plain; charset=utf-8");
}

export function commitEtag(message: string): string {
  return `"${createHash("md5").update(message).digest("hex")}"`;
}

/** False: answered. RFC 9110 §13.2.2. */
function passes(call: S3Call, file: S3File): boolean {
  const etag = etagOf(file);
  const atMs = Math.floor(file.atMs / 1000) * 1000;
  const since = (name: string) => Date.parse(header(call, name) ?? "");
  const ifMatch = header(call, "if-match");
  if (ifMatch !== undefined ? !matches(ifMatch, etag) : atMs > since("if-unmodified-since"))
    throw new S3Refusal("PreconditionFailed", "At least one of the pre-conditions you specified did not hold");
  const ifNone = header(call, "if-none-match");
  if (ifNone !== undefined ? !matches(ifNone, etag) : !(atMs <= since("if-modified-since"))) return true;
  call.response.writeHead(304, { etag, "last-modified": httpDate(file.atMs) });
  call.response.end();
  return false;
}

export function matches(said: string, etag: string): boolean {
  return said.split(",").some((one) => ["*", etag, etag.slice(1, -1)].includes(one.trim().replace(/^W\//, "")));
}

export function httpDate(ms: number): string {
  return new Date(ms).toUTCString();
}

type Spooled = { path: string; size: number; sha256: Digest };
type Bytes =
  | { kind: "empty" }
  | { kind: "disk"; file: Spooled }
  | { kind: "pieces"; pieces: (range: ByteRange) => Promise<Extent<Source>[]> };
type Resolved = { file: S3File; bytes: Bytes };

async function resolved({ view, parts }: S3Call, file: S3File): Promise<Resolved> {
  const { change, snapshot, path } = file;
  if (file.size === 0) return { file, bytes: { kind: "empty" } };
  if (change?.kind === "put") return { file, bytes: { kind: "disk", file: { ...change, path: pathOf(parts.pending, change) } } };
  const of = change?.kind === "copy" ? change.from : null;
  const from = of === null ? snapshot : await view.catalog.snapshot(of.repository, of.revision);
  const found = from?.find(of?.path ?? path) ?? null;
  if (from === null || found === null) throw noSuchKey();
  return { file, bytes: { kind: "pieces", pieces: (range) => view.catalog.pieces(from, found, range) } };
}

function pathOf(pending: S3Call["parts"]["pending"], change: Change & { kind: "put" }): string {
  const branch = pending.list().find(({ changes }) => changes.get(change.path) === change);
  if (branch === undefined) throw noSuchKey();
  return branch.objectPath(change);
}

async function sendObject(call: S3Call, { file, bytes }: Resolved): Promise<void> {
  const { size } = file;
  const wanted = rangeWanted(call, file);
  const range = wanted ?? { start: 0, end: size };
  const status = wanted === null ? 200 : 206;
  const headers = headersOf(call, file, range, status);
  const { response } = call;
  if (call.method === "HEAD" || range.start >= range.end || bytes.kind === "empty") {
    response.writeHead(status, headers);
    response.end();
    return;
  }
  const begin = () => {
    if (!response.headersSent) response.writeHead(status, headers);
  };
  const isSent = await (bytes.kind === "disk"
    ? fromDisk(call, bytes.file, range, begin)
    : fromPieces(call, await bytes.pieces(range), begin));
  if (isSent) response.end();
  else response.destroy();
}

/** Null: the whole. Throws S3Refusal. */
function rangeWanted(call: S3Call, { size }: S3File): ByteRange | null {
  const answer = rangeOf(header(call, "range"), size);
  if (answer.kind === "whole") return null;
  if (answer.kind === "part") return answer.range;
  call.response.setHeader("content-range", `bytes */${size}`);
  throw new S3Refusal("InvalidRange", "The requested range is not satisfiable");
}

function headersOf(call: S3Call, file: S3File, range: ByteRange, status: number): Record<string, string> {
  const isWhole = status === 200;
  const wantsChecksum = isWhole && header(call, "x-amz-checksum-mode")?.toUpperCase() === "ENABLED";
  const revision = file.snapshot?.revision.id;
  return {
    "content-length": String(range.end - range.start),
    "content-type": call.query.get("response-content-type") ?? TYPES[extname(file.path)] ?? "binary/octet-stream",
    "accept-ranges": "bytes",
    etag: etagOf(file),
    "last-modified": httpDate(file.atMs),
    "x-content-type-options": "nosniff",
    ...(isWhole ? {} : { "content-range": contentRange(range, file.size) }),
    ...(wantsChecksum
      ? { "x-amz-checksum-sha256": Buffer.from(file.sha256, "hex").toString("base64"), "x-amz-checksum-type": "FULL_OBJECT" }
      : {}),
    ...(revision === undefined ? { "x-ferry-pending": "true" } : { "x-ferry-revision": revision }),
    ...disposition(call),
  };
}

function disposition({ query }: S3Call): Record<string, string> {
  const said = query.get("response-content-disposition");
  // What a header can't hold is left out.
  return said !== undefined && /^[\x20-\x7e]{1,1024}$/.test(said) ? { "content-disposition": said } : {};
}

async function fromDisk({ response, parts }: S3Call, file: Spooled, { start, end }: ByteRange, begin: () => void): Promise<boolean> {
  const opened = openSpooled(file);
  try {
    begin();
    return await sendFile(response, opened, { from: start, to: end, ...countsOf(parts) });
  } finally {
    opened.close();
  }
}

function openSpooled({ path, size, sha256 }: Spooled): ChunkFile {
  try {
    const fd = openSync(path, constants.O_RDONLY);
    return new ChunkFile(fd, { size, sha256 }, () => closeSync(fd));
  } catch {
    // Committed or replaced in this very moment: the next try finds it where it is now.
    throw new S3Refusal("ServiceUnavailable", "the file is just being moved: try again");
  }
}

function countsOf(parts: S3Call["parts"]) {
  const onBytes = (bytes: number) => {
    parts.counts.servedBytes += bytes;
  };
  return { buffers: parts.buffers, onBytes };
}

/** A range of a file, slab by slab; each slab is good until `onBytes` resolves. */
export async function eachByte(call: S3Call, file: S3File, range: ByteRange, onBytes: (bytes: Uint8Array) => Promise<void>): Promise<void> {
  const { bytes } = await resolved(call, file);
  if (bytes.kind === "empty") return;
  if (bytes.kind === "disk") {
    const opened = openSpooled(bytes.file);
    return eachSlab(opened.fd, { offset: range.start, length: range.end - range.start }, onBytes).finally(() => opened.close());
  }
  const { chunks, signal } = call.parts;
  for (const { of, offset, length } of await bytes.pieces(range)) {
    const opened = await chunks.openIfRoom(wantedOf(of), signal);
    if (opened === null) for await (const part of chunks.past(wantedOf(of), { offset, length }, signal)) await onBytes(part);
    else await eachSlab(opened.fd, { offset, length }, onBytes).finally(() => opened.close());
  }
}

async function eachSlab(fd: number, { offset, length }: Stretch, onBytes: (bytes: Uint8Array) => Promise<void>): Promise<void> {
  const buffer = Buffer.allocUnsafeSlow(Math.min(MiB, length));
  for (let done = 0; done < length; ) {
    const bytesRead = await readAt(fd, buffer.subarray(0, Math.min(buffer.length, length - done)), offset + done);
    if (bytesRead === 0) throw new Error("a file is shorter than it was");
    await onBytes(buffer.subarray(0, bytesRead));
    done += bytesRead;
  }
}

/** Each chunk's file, when all of it is here and right; the next ones come meanwhile. What the cache has no room for comes past it. */
async function fromPieces({ response, parts }: S3Call, pieces: readonly Extent<Source>[], begin: () => void): Promise<boolean> {
  const { chunks, signal } = parts;
  const gone = new AbortController();
  response.once("close", () => gone.abort(new FerryError("TRANSFER_FAILED", { what: "an answer", problem: "the reader left" })));
  const stop = AbortSignal.any([gone.signal, signal]);
  for (const [at, { of, offset, length }] of pieces.entries()) {
    chunks.ahead(pieces.slice(at + 1, at + 1 + AHEAD_CHUNKS).map((piece) => wantedOf(piece.of)));
    const file = await chunks.openIfRoom(wantedOf(of), stop);
    const sent = { from: offset, to: offset + length, ...countsOf(parts) };
    begin();
    const isSent = await (file === null
      ? sendParts(response, chunks.past(wantedOf(of), { offset, length }, stop), sent.onBytes)
      : sendFile(response, file, sent).finally(() => file.close()));
    if (!isSent) return false;
  }
  return true;
}

/** False when the reader left. Throws what gives the parts throws. */
async function sendParts(response: ServerResponse, parts: AsyncIterable<Uint8Array>, onBytes: (bytes: number) => void): Promise<boolean> {
  for await (const part of parts) {
    if (response.destroyed) return false;
    // Of a response that is closed meanwhile no write is ever told to be done.
    const closed = Promise.withResolvers<void>();
    response.once("close", closed.resolve);
    await Promise.race([new Promise<void>((resolve) => response.write(part, () => resolve())), closed.promise]);
    response.removeListener("close", closed.resolve);
    onBytes(part.length);
  }
  return !response.destroyed;
}
