/** One request at the S3 door, and how it is answered. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { XmlNode } from "@aws-sdk/xml-builder";
import type { S3Target } from "../../functions/doors/s3/address.ts";
import type { SignedPayload } from "../../functions/doors/s3/signature.ts";
import type { ChunkAccess } from "./chunk-access.ts";
import type { Log } from "./log.ts";
import type { Commits } from "./s3-commits.ts";
import type { S3Keys } from "./s3-credentials.ts";
import type { MultipartUploads } from "./s3-multipart.ts";
import type { PendingBranches } from "./s3-pending.ts";
import type { Spool } from "./s3-spool.ts";
import type { S3Memo, S3View } from "./s3-view.ts";
import { document, XML_HEAD } from "./s3-xml.ts";
import type { SendBuffers } from "./sending.ts";

/** What all requests of a door share. */
export type S3Parts = {
  keys: S3Keys;
  spool: Spool;
  pending: PendingBranches;
  uploads: MultipartUploads;
  commits: Commits;
  memo: S3Memo;
  chunks: ChunkAccess;
  buffers: SendBuffers;
  counts: S3Counts;
  nowMs: () => number;
  log: Log;
  signal: AbortSignal;
};

export type S3Counts = { requests: number; refused: number; servedBytes: number; takenBytes: number; commits: number };

export type S3Call = {
  request: IncomingMessage;
  response: ServerResponse;
  method: string;
  target: S3Target;
  query: ReadonlyMap<string, string>;
  payload: SignedPayload;
  view: S3View;
  parts: S3Parts;
};

export function header({ request }: Pick<S3Call, "request">, name: string): string | undefined {
  const value = request.headers[name];
  return Array.isArray(value) ? value.join(",") : value;
}

/** An answer without a body. */
export function empty({ response }: Pick<S3Call, "response">, status: number, headers: Readonly<Record<string, string>> = {}): void {
  response.writeHead(status, { ...(status === 204 ? {} : { "content-length": "0" }), ...headers });
  response.end();
}

export function xml(call: Pick<S3Call, "response" | "method">, name: string, content: readonly XmlNode[]): void {
  send(call, 200, XML_HEAD + document(name, content), "application/xml");
}

export function send({ response, method }: Pick<S3Call, "response" | "method">, status: number, text: string, type: string): void {
  const bytes = Buffer.from(text);
  response.writeHead(status, { "content-type": type, "content-length": String(bytes.length), "x-content-type-options": "nosniff" });
  response.end(method === "HEAD" ? undefined : bytes);
}
