/**
 * A small S3 in memory, seen through `fetch`, that enforces everything a good store does, signatures by the SDK's own signers included.
 * `flaws` take single virtues away, to show that a probe finds out.
 */
import { createHash } from "node:crypto";
import { authorizationHeader, presignedQuery } from "./reference-signer.ts";

export type Flaw =
  | "ignores conditions"
  | "checks conditions too early"
  | "ignores x-amz-content-sha256"
  | "ignores x-amz-checksum-sha256"
  | "ignores content-md5"
  | "ignores the signed length"
  | "obeys unsigned headers"
  | "lists late"
  | "ignores ranges"
  | "is public"
  | "never expires"
  | "has a wrong clock";

export const FAKE_KEYS = { accessKeyId: "FAKEKEY", secretAccessKey: "fake-secret" };
export const FAKE_REGION = "test-1";
const SKEW_MS = 15 * 60_000;

type Stored = { bytes: Buffer; modifiedAtMs: number };
type Asked = { method: string; url: URL; headers: Headers; body: Buffer };

export class FakeS3 {
  readonly endpoint = "https://fake-s3.test";
  readonly bucket = "models";
  readonly #objects = new Map<string, Stored>();
  readonly #flaws: ReadonlySet<Flaw>;

  constructor(flaws: readonly Flaw[] = []) {
    this.#flaws = new Set(flaws);
  }

  readonly fetch = async (input: string | URL | Request, init?: RequestInit): Promise<Response> => {
    const request = new Request(input, init);
    const body = Buffer.from(await request.arrayBuffer());
    const headers = new Headers(request.headers);
    headers.set("content-length", String(body.length));
    const asked = { method: request.method, url: new URL(request.url), headers, body };
    return (await this.#refusal(asked)) ?? this.#answer(asked);
  };

  async #refusal({ method, url, headers }: Asked): Promise<Response | null> {
    const authorization = headers.get("authorization");
    if (authorization === null && !url.searchParams.has("X-Amz-Signature")) {
      return this.#flaws.has("is public") && method === "GET" ? null : error(403, "AccessDenied");
    }
    const fields = authorization === null ? url.searchParams : authorizationFields(authorization);
    const date = parseDate(url.searchParams.get("X-Amz-Date") ?? headers.get("x-amz-date") ?? "");
    if (this.#isTooOld(url, date.getTime())) return error(403, "AccessDenied");
    const signed = (fields.get("X-Amz-SignedHeaders") ?? "").split(";");
    const unsigned = [...headers.keys()].filter((name) => name.startsWith("x-amz-") && !signed.includes(name));
    if (unsigned.length > 0 && !this.#flaws.has("obeys unsigned headers")) return error(403, "AccessDenied");
    if (signed.some((name) => name !== "host" && headers.get(name) === null)) return error(403, "SignatureDoesNotMatch");
    const shown = Object.fromEntries(signed.filter((name) => name !== "host").map((name) => [name, headers.get(name) ?? ""]));
    if (this.#flaws.has("ignores the signed length") && "content-length" in shown) return null;
    const expected = await expectedSignature({ method, url, headers: shown }, date);
    return expected === fields.get("X-Amz-Signature") ? null : error(403, "SignatureDoesNotMatch");
  }

  #isTooOld(url: URL, dateMs: number): boolean {
    if (this.#flaws.has("never expires")) return false;
    const expires = url.searchParams.get("X-Amz-Expires");
    return expires === null ? Math.abs(Date.now() - dateMs) > SKEW_MS : Date.now() > dateMs + Number(expires) * 1000;
  }

  #answer(asked: Asked): Response | Promise<Response> {
    const { method, url } = asked;
    const key = decodeURIComponent(url.pathname.slice(`/${this.bucket}/`.length));
    if (method === "PUT") return this.#put(key, asked);
    if (method === "GET" && url.searchParams.has("list-type")) return this.#list(url.searchParams);
    if (method === "POST" && url.searchParams.has("delete")) return this.#deleteMany(asked.body.toString());
    if (method === "GET" || method === "HEAD") return this.#read(key, asked);
    return error(405, "MethodNotAllowed");
  }

  async #put(key: string, { headers, body }: Asked): Promise<Response> {
    const isTaken = headers.has("if-none-match") && this.#objects.has(key) && !this.#flaws.has("ignores conditions");
    if (this.#flaws.has("checks conditions too early")) await new Promise(setImmediate);
    if (isTaken) return error(412, "PreconditionFailed");
    const source = headers.get("x-amz-copy-source");
    if (source !== null) {
      const copied = this.#objects.get(source.slice(`/${this.bucket}/`.length));
      if (copied !== undefined) this.#objects.set(key, copied);
      return xml("<CopyObjectResult/>");
    }
    for (const [name, algorithm, encoding] of CHECKS) {
      const said = headers.get(name);
      if (said === null || said === "UNSIGNED-PAYLOAD" || this.#flaws.has(`ignores ${name}`)) continue;
      if (said !== createHash(algorithm).update(body).digest(encoding)) return error(400, "BadDigest");
    }
    const modifiedAtMs = Date.now() + (this.#flaws.has("has a wrong clock") ? 600_000 : 0);
    this.#objects.set(key, { bytes: body, modifiedAtMs });
    return new Response(null, { status: 200, headers: { etag: `"${createHash("md5").update(body).digest("hex")}"` } });
  }

  #read(key: string, { method, headers }: Asked): Response {
    const object = this.#objects.get(key);
    if (object === undefined) return error(404, "NoSuchKey");
    const [, from = "", to = ""] = /^bytes=(\d+)-(\d+)$/.exec(headers.get("range") ?? "") ?? [];
    const isPart = from !== "" && !this.#flaws.has("ignores ranges");
    const bytes = isPart ? object.bytes.subarray(Number(from), Number(to) + 1) : object.bytes;
    const about = { "content-length": String(bytes.length), "last-modified": new Date(object.modifiedAtMs).toUTCString() };
    return new Response(method === "HEAD" ? null : Buffer.from(bytes), { status: isPart ? 206 : 200, headers: about });
  }

  #list(query: URLSearchParams): Response {
    const after = query.get("start-after") ?? "";
    const keys = [...this.#objects.keys()].filter((key) => key.startsWith(query.get("prefix") ?? "") && key > after);
    if (this.#flaws.has("lists late")) keys.pop();
    const limit = Number(query.get("max-keys") ?? 1000);
    const contents = keys
      .sort()
      .slice(0, limit)
      .map((key) => {
        const { bytes, modifiedAtMs } = this.#objects.get(key) ?? { bytes: Buffer.alloc(0), modifiedAtMs: 0 };
        const modified = new Date(modifiedAtMs).toISOString();
        return `<Contents><Key>${key}</Key><Size>${bytes.length}</Size><LastModified>${modified}</LastModified></Contents>`;
      });
    return xml(`<ListBucketResult><IsTruncated>${keys.length > limit}</IsTruncated>${contents.join("")}</ListBucketResult>`);
  }

  #deleteMany(body: string): Response {
    for (const [, key = ""] of body.matchAll(/<Key>([^<]*)<\/Key>/g)) this.#objects.delete(key);
    return xml("<DeleteResult/>");
  }
}

const CHECKS = [
  ["x-amz-content-sha256", "sha256", "hex"],
  ["x-amz-checksum-sha256", "sha256", "base64"],
  ["content-md5", "md5", "base64"],
] as const;

async function expectedSignature({ method, url, headers }: { method: string; url: URL; headers: Record<string, string> }, at: Date) {
  const setup = { credentials: FAKE_KEYS, region: FAKE_REGION, at };
  const expires = url.searchParams.get("X-Amz-Expires");
  if (expires === null) {
    const { "x-amz-date": _, ...others } = headers;
    return authorizationFields(await authorizationHeader({ method, url, headers: others }, setup)).get("X-Amz-Signature");
  }
  const plain = new URL(url);
  for (const name of [...plain.searchParams.keys()]) if (name.startsWith("X-Amz-")) plain.searchParams.delete(name);
  return (await presignedQuery({ method, url: plain, headers }, { ...setup, expiresSeconds: Number(expires) }))["X-Amz-Signature"];
}

/** The fields of an authorization header under the names that a presigned URL has for them. */
function authorizationFields(authorization: string): Map<string, string> {
  const pairs = [...authorization.matchAll(/(\w+)=([^,\s]+)/g)].map(([, name = "", value = ""]): [string, string] => [
    `X-Amz-${name}`,
    value,
  ]);
  return new Map(pairs);
}

function parseDate(text: string): Date {
  return new Date(text.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, "$1-$2-$3T$4:$5:$6Z"));
}

function error(status: number, code: string): Response {
  return xml(`<Error><Code>${code}</Code></Error>`, status);
}

function xml(body: string, status = 200): Response {
  return new Response(`<?xml version="1.0" encoding="UTF-8"?>${body}`, { status, headers: { "content-type": "application/xml" } });
}
