/**
 * The S3 door: clients that only speak S3 read models and upload them. Buckets are namespaces, keys are `name[/ref]/path`
 * (functions/doors/s3/address.ts); each caller acts as the token that his credentials were made of.
 *
 * Gaps, on purpose:
 * - Path style only. One region, whatever it is called. Signatures of version 4; of version 2 only presigned URLs.
 * - No versions, ACLs, policies, tags, locks, encryption, lifecycle: reading them says that there are none, writing them is refused.
 * - User metadata (x-amz-meta-*) and content types are not kept: a revision has files. Last-Modified is the time of the revision.
 * - ETags are of the form `<hex>-1` and come from the SHA-256: stable, the same before and after the commit, and no MD5.
 * - Links of a revision are not shown. Keys have the safe paths of this house: no `..`, no `//`, no backslash, no control characters.
 * - Of a multipart upload the checksum of each part is compared, that of the whole is not. Parts but the last have 5 MiB or more.
 * - POST uploads by a form, SelectObjectContent, torrents, website redirects, notifications: 501.
 */
import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { join } from "node:path";
import { parseTarget } from "../../functions/doors/s3/address.ts";
import { refusalOf, type S3Code, S3Refusal } from "../../functions/doors/s3/refusals.ts";
import { checkSignature, parseQuery, type Signature } from "../../functions/doors/s3/signature.ts";
import { problemOf } from "../../shared/errors.ts";
import type { AgentDoor, DoorContext, OpenedDoor } from "./doors.ts";
import { empty, type S3Call, type S3Parts, xml } from "./s3-call.ts";
import { Commits } from "./s3-commits.ts";
import { readKeyFile, S3Keys } from "./s3-credentials.ts";
import { NODE_CRYPTO } from "./s3-crypto.ts";
import { atDesk, DESK_PATH } from "./s3-desk.ts";
import { demandBucket, listBuckets, listObjects, listParts, listUploads } from "./s3-list.ts";
import { MultipartUploads } from "./s3-multipart.ts";
import { abortUpload, completeUpload, createUpload, uploadOf, uploadPart } from "./s3-parts.ts";
import { PendingBranches } from "./s3-pending.ts";
import { getObject } from "./s3-read.ts";
import { Spool } from "./s3-spool.ts";
import { S3Memo, S3View } from "./s3-view.ts";
import { copyObject, deleteObject, deleteObjects, putObject } from "./s3-write.ts";
import { element, elements, errorDocument, XML_HEAD } from "./s3-xml.ts";
import { SendBuffers } from "./sending.ts";

export type S3Settings = {
  listen: { host: string; port: number };
  /** What is not committed yet may take so much. */
  spoolBytes: number;
  /** Untouched for so long, it is thrown away. */
  keepSeconds: number;
  /** The door's key, made there when it is missing; null: in the door's own folder. */
  keyFile: string | null;
  /** As whom those read who sign nothing; null: nobody may. */
  anonymousToken: string | null;
};

const TIDY_MS = 600_000;
const HEADERS_MS = 30_000;
/** How long what a refused sender still sends is thrown away, so that he reads the answer. */
const LINGER_MS = 2_000;

export function s3Door(settings: S3Settings): AgentDoor {
  return { name: "s3", listen: settings.listen, open: (context) => S3Door.open(settings, context) };
}

class S3Door {
  readonly #settings: S3Settings;
  readonly #context: DoorContext;
  readonly #parts: S3Parts;
  #active = 0;
  #requests = 0;

  private constructor(settings: S3Settings, context: DoorContext, parts: S3Parts) {
    this.#settings = settings;
    this.#context = context;
    this.#parts = parts;
  }

  static async open(settings: S3Settings, context: DoorContext): Promise<OpenedDoor> {
    const folder = context.folder("s3");
    const spool = await Spool.open(folder, settings.spoolBytes);
    const { chunks, log, signal } = context;
    const chunkPath = (sha256: string) => join(context.folder("chunks"), sha256.slice(0, 2), sha256);
    const parts: S3Parts = {
      keys: new S3Keys(readKeyFile(settings.keyFile ?? join(folder, "key"), settings.keyFile === null)),
      spool,
      pending: new PendingBranches(spool),
      uploads: new MultipartUploads(spool),
      commits: new Commits({ chunks, chunkPath, log, signal }),
      memo: new S3Memo(),
      chunks,
      buffers: new SendBuffers(),
      counts: { requests: 0, refused: 0, servedBytes: 0, takenBytes: 0, commits: 0 },
      nowMs: Date.now,
      log,
      signal,
    };
    return new S3Door(settings, context, parts).#opened();
  }

  #opened(): OpenedDoor {
    void this.#tidy();
    const tidying = setInterval(() => void this.#tidy(), TIDY_MS);
    tidying.unref();
    const { pending, uploads, spool, commits } = this.#parts;
    return {
      server: this.#server(),
      active: () => this.#active + commits.active,
      metrics: () => this.#metrics(),
      close: async () => {
        clearInterval(tidying);
        pending.close();
        uploads.close();
        spool.close();
      },
    };
  }

  #server(): Server {
    // A large part may take as long as it moves; s3-body.ts ends one that does not.
    const server = createServer({ keepAliveTimeout: 60_000, headersTimeout: HEADERS_MS, requestTimeout: 0 });
    const handle = (request: IncomingMessage, response: ServerResponse) => void this.#handle(request, response);
    server.on("request", handle);
    // Who asks first whether he may send hears it before he does.
    server.on("checkContinue", handle);
    return server;
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.#active++;
    this.#parts.counts.requests++;
    const id = (++this.#requests).toString(16).padStart(16, "0").toUpperCase();
    response.setHeader("x-amz-request-id", id);
    try {
      await this.#answer(request, response);
    } catch (error) {
      this.#refuse(request, response, error);
    } finally {
      this.#active--;
    }
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const raw = request.url ?? "/";
    const at = raw.indexOf("?");
    const [path, queryText] = at < 0 ? [raw, ""] : [raw.slice(0, at), raw.slice(at + 1)];
    const { method = "GET" } = request;
    const base = { request, response, method, parts: this.#parts };
    if (path === "/healthz") return empty(base, 200);
    // Whoever has a token may come by any name: no web page has one.
    if (path.startsWith(DESK_PATH))
      return atDesk({ ...base, url: new URL(raw, "http://door"), viewOf: (token) => this.#view(token, false) });
    const { view, signature } = await this.#caller({ request, method, path, query: queryText });
    const call: S3Call = {
      ...base,
      target: parseTarget(path),
      query: new Map(parseQuery(queryText)),
      payload: signature?.payload ?? { kind: "unsigned" },
      view,
    };
    await dispatch(call);
  }

  async #caller(asked: {
    request: IncomingMessage;
    method: string;
    path: string;
    query: string;
  }): Promise<{ view: S3View; signature: Signature | null }> {
    const { keys, nowMs } = this.#parts;
    const findSecret = async (accessKeyId: string) => ((await keys.tokenOf(accessKeyId)) === null ? null : keys.secretOf(accessKeyId));
    const request = { ...asked, headers: flat(asked.request) };
    const signature = await checkSignature(request, { crypto: NODE_CRYPTO, nowMs: nowMs(), findSecret });
    if (signature !== null) return { view: this.#view((await keys.tokenOf(signature.accessKeyId)) ?? "", false), signature };
    const { anonymousToken } = this.#settings;
    if (anonymousToken === null || !this.#context.isOurs(asked.request)) throw new S3Refusal("AccessDenied", "Access Denied");
    if (asked.method !== "GET" && asked.method !== "HEAD") throw new S3Refusal("AccessDenied", "Access Denied");
    return { view: this.#view(anonymousToken, true), signature: null };
  }

  #view(token: string, isAnonymous: boolean): S3View {
    const { memo, pending, signal } = this.#parts;
    const caller = createHash("sha256").update(token).digest("base64url");
    const { clientOf, catalogOf } = this.#context;
    return new S3View({ caller, client: clientOf(token), catalog: catalogOf(token), memo, pending, isAnonymous, signal });
  }

  #refuse(request: IncomingMessage, response: ServerResponse, error: unknown): void {
    const { counts, log } = this.#parts;
    const refusal = refusalOf(error);
    counts.refused++;
    if (refusal.status >= 500 && refusal.status !== 501)
      log({ event: "s3.failed", code: refusal.code, problem: problemOf(refusal.cause ?? refusal) });
    if (response.writableEnded || response.destroyed) return;
    const id = String(response.getHeader("x-amz-request-id"));
    const text = errorDocument({ Code: refusal.code, Message: refusal.message, Resource: request.url?.split("?")[0] ?? "", RequestId: id });
    if (response.headersSent) {
      // Only the sign of life of a long act has been sent by then, or bytes of a file that broke off.
      if (response.getHeader("content-length") === undefined) response.end(text);
      else response.destroy();
      return;
    }
    if (!request.complete) linger(request, response);
    const body = request.method === "HEAD" || refusal.status === 304 ? "" : XML_HEAD + text;
    response.writeHead(refusal.status, { "content-type": "application/xml", "content-length": String(Buffer.byteLength(body)) });
    response.end(body);
  }

  async #tidy(): Promise<void> {
    const { pending, uploads, nowMs, log } = this.#parts;
    const beforeMs = nowMs() - this.#settings.keepSeconds * 1000;
    uploads.expire(beforeMs);
    for (const { repository, branch } of await pending.expire(beforeMs)) log({ event: "s3.expired", repository, branch });
  }

  #metrics(): string {
    const { counts, spool, pending, uploads } = this.#parts;
    const lines: [name: string, type: string, help: string, value: number][] = [
      ["ferry_s3_requests_total", "counter", "Requests at the S3 door.", counts.requests],
      ["ferry_s3_refused_total", "counter", "Those that failed.", counts.refused],
      ["ferry_s3_served_bytes_total", "counter", "Bytes given to S3 clients.", counts.servedBytes],
      ["ferry_s3_taken_bytes_total", "counter", "Bytes taken from S3 clients.", counts.takenBytes],
      ["ferry_s3_commits_total", "counter", "Commits by way of the S3 door.", counts.commits],
      ["ferry_s3_spool_bytes", "gauge", "Bytes that are not committed yet.", spool.usedBytes],
      ["ferry_s3_pending_branches", "gauge", "Branches with something pending.", pending.list().length],
      ["ferry_s3_uploads", "gauge", "Multipart uploads under way.", uploads.list().length],
    ];
    return lines.map(([name, type, help, value]) => `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${name} ${value}\n`).join("");
  }
}

/** Headers as they are signed: values of one name joined by commas. */
function flat(request: IncomingMessage): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const [name, values] of Object.entries(request.headersDistinct))
    headers[name] = (values ?? []).map((value) => value.trim()).join(",");
  return headers;
}

function linger(request: IncomingMessage, response: ServerResponse): void {
  response.setHeader("connection", "close");
  response.once("finish", () => {
    request.resume();
    setTimeout(() => request.destroy(), LINGER_MS).unref();
  });
}

type Handler = (call: S3Call) => void | Promise<void>;

/** What is asked of a bucket or an object by a word in the query. */
const NOTHING_THERE: Readonly<Record<string, S3Code>> = {
  policy: "NoSuchBucketPolicy",
  cors: "NoSuchCORSConfiguration",
  lifecycle: "NoSuchLifecycleConfiguration",
  encryption: "ServerSideEncryptionConfigurationNotFoundError",
  website: "NoSuchWebsiteConfiguration",
  "object-lock": "ObjectLockConfigurationNotFoundError",
};
const NOT_HERE = [
  "torrent",
  "select",
  "restore",
  "versions",
  "attributes",
  "notification",
  "replication",
  "logging",
  "analytics",
  "inventory",
  "metrics",
];
const SUBRESOURCES = [
  ...Object.keys(NOTHING_THERE),
  ...NOT_HERE,
  "acl",
  "tagging",
  "retention",
  "legal-hold",
  "ownershipControls",
  "publicAccessBlock",
  "policyStatus",
  "requestPayment",
  "accelerate",
];

async function dispatch(call: S3Call): Promise<void> {
  const { target, query } = call;
  const handler =
    SUBRESOURCES.some((name) => query.has(name)) && target.bucket !== ""
      ? subresource(call)
      : target.key === ""
        ? ofBucket(call)
        : ofObject(call);
  if (handler === null) throw new S3Refusal("MethodNotAllowed", "The specified method is not allowed against this resource.");
  await handler(call);
}

function ofBucket({ method, target, query }: S3Call): Handler | null {
  if (target.bucket === "") return method === "GET" ? listBuckets : null;
  switch (method) {
    case "GET":
      if (query.has("location")) return location;
      if (query.has("versioning")) return versioning;
      return query.has("uploads") ? listUploads : listObjects;
    case "HEAD":
      return async (call) => {
        await demandBucket(call);
        empty(call, 200, { "x-amz-bucket-region": "us-east-1" });
      };
    case "PUT":
      return createBucket;
    case "POST":
      return query.has("delete") ? deleteObjects : null;
    case "DELETE":
      return async (call) => {
        await demandBucket(call);
        throw new S3Refusal("BucketNotEmpty", "a namespace is there as long as it has repositories");
      };
    default:
      return null;
  }
}

function ofObject({ method, query, request }: S3Call): Handler | null {
  const isUpload = query.has("uploadId");
  switch (method) {
    case "GET":
      return isUpload ? async (call) => listParts(call, await uploadOf(call)) : getObject;
    case "HEAD":
      return getObject;
    case "PUT":
      if (isUpload) return uploadPart;
      return request.headers["x-amz-copy-source"] === undefined ? putObject : copyObject;
    case "POST":
      if (query.has("uploads")) return createUpload;
      return isUpload ? completeUpload : null;
    case "DELETE":
      return isUpload ? abortUpload : deleteObject;
    default:
      return null;
  }
}

async function location(call: S3Call): Promise<void> {
  await demandBucket(call);
  xml(call, "LocationConstraint", []);
}

async function versioning(call: S3Call): Promise<void> {
  await demandBucket(call);
  xml(call, "VersioningConfiguration", []);
}

/** A namespace needs no making. */
async function createBucket(call: S3Call): Promise<void> {
  const { view, target } = call;
  const scopes = await view.scopes();
  const isTheirs = scopes.some(
    ({ repositories, actions }) =>
      (actions.includes("push") || actions.includes("admin")) &&
      (repositories.startsWith("*") || repositories.startsWith(`${target.bucket}/`)),
  );
  if (!isTheirs) throw new S3Refusal("AccessDenied", "Access Denied");
  empty(call, 200, { location: `/${target.bucket}` });
}

function subresource({ method, query, target }: S3Call): Handler {
  return async (call) => {
    if (NOT_HERE.some((name) => query.has(name)) || (method !== "GET" && method !== "HEAD"))
      throw new S3Refusal("NotImplemented", "A header or query you provided implies functionality that is not implemented.");
    if (target.key === "") await demandBucket(call);
    if (query.has("acl")) return xml(call, "AccessControlPolicy", aclOf());
    if (query.has("tagging")) {
      if (target.key === "") throw new S3Refusal("NoSuchTagSet", "The TagSet does not exist");
      return xml(call, "Tagging", [element("TagSet", [])]);
    }
    const code = Object.entries(NOTHING_THERE).find(([name]) => query.has(name))?.[1];
    throw new S3Refusal(code ?? "NotImplemented", "There is none here.");
  };
}

function aclOf() {
  const owner = elements({ ID: "modelferry", DisplayName: "modelferry" });
  const grantee = element("Grantee", owner)
    .addAttribute("xmlns:xsi", "http://www.w3.org/2001/XMLSchema-instance")
    .addAttribute("xsi:type", "CanonicalUser");
  return [element("Owner", owner), element("AccessControlList", [element("Grant", [grantee, element("Permission", "FULL_CONTROL")])])];
}
