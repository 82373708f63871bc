/**
 * Checks signatures of AWS, version 4, as S3 uses them: in the Authorization header, and in the query of presigned URLs
 * (docs.aws.amazon.com, "Authenticating Requests: AWS Signature Version 4" of the S3 API reference).
 *
 * What is held to more tightly than clients need: `host` and every x-amz-* header must be signed, or what they say would be anybody's.
 * What is left open: the region, since clients are configured with whatever they like; a signature is bound to the one it names.
 */
import { S3Refusal } from "./refusals.ts";
import { checkSignatureV2 } from "./signature-v2.ts";

/** Injected: the same code runs wherever there is a hash. */
export type S3Crypto = {
  sha256Hex(data: Uint8Array | string): string;
  hmac(key: Uint8Array, text: string): Uint8Array;
  /** In base64; of version 2. */
  hmacSha1(key: string, text: string): string;
  hex(bytes: Uint8Array): string;
  /** In a time that does not tell where they differ. */
  isEqual(a: string, b: string): boolean;
};

/** `path` and `query` as they came over the wire, neither decoded nor normalised; header names in lower case. */
export type SignedRequest = { method: string; path: string; query: string; headers: Readonly<Record<string, string>> };

/** What is signed of the body. `chunks`: of the form aws-chunked, each signed when there is a chain. */
export type SignedPayload =
  | { kind: "hash"; sha256: string }
  | { kind: "unsigned" }
  | { kind: "chunks"; chain: ChunkChain | null; hasTrailer: boolean };

/** From which the signature of each chunk follows. */
export type ChunkChain = { key: Uint8Array; date: string; scope: string; seed: string };

export type Signature = { accessKeyId: string; payload: SignedPayload };

/** Null: nobody has that key. */
export type FindSecret = (accessKeyId: string) => Promise<string | null>;

export type SignatureChecking = { crypto: S3Crypto; nowMs: number; findSecret: FindSecret };

const ALGORITHM = "AWS4-HMAC-SHA256";
const SKEW_MS = 15 * 60_000;
const EXPIRES_SECONDS_MAX = 7 * 86_400;
const FORMS: Readonly<Record<string, { isSigned: boolean; hasTrailer: boolean }>> = {
  "STREAMING-AWS4-HMAC-SHA256-PAYLOAD": { isSigned: true, hasTrailer: false },
  "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER": { isSigned: true, hasTrailer: true },
  "STREAMING-UNSIGNED-PAYLOAD-TRAILER": { isSigned: false, hasTrailer: true },
};

type Claim = {
  accessKeyId: string;
  scope: { day: string; region: string };
  date: string;
  signedHeaders: string[];
  signature: string;
  payload: string;
  query: [string, string][];
};

/** Null: the request is signed by nobody. Throws S3Refusal. */
export async function checkSignature(request: SignedRequest, checking: SignatureChecking): Promise<Signature | null> {
  const query = parseQuery(request.query);
  const header = request.headers["authorization"];
  const isPresigned = query.some(([name]) => name === "X-Amz-Algorithm" || name === "X-Amz-Signature");
  if (header === undefined && query.some(([name]) => name === "AWSAccessKeyId")) return checkSignatureV2(request, query, checking);
  if (header === undefined && !isPresigned) return null;
  if (header !== undefined && isPresigned) throw new S3Refusal("InvalidArgument", "only one way of signing is allowed");
  const claim = header === undefined ? claimOfQuery(query, request, checking.nowMs) : claimOfHeader(header, query, request, checking.nowMs);
  demandSigned(claim, request);
  const secret = await checking.findSecret(claim.accessKeyId);
  if (secret === null) throw new S3Refusal("InvalidAccessKeyId", "the access key is unknown here, or no longer good");
  const key = signingKey(secret, claim.scope, checking.crypto);
  const expected = sign(key, textToSign(claim, request, checking.crypto), checking.crypto);
  if (!checking.crypto.isEqual(expected, claim.signature)) throw new S3Refusal("SignatureDoesNotMatch", MISMATCH);
  return { accessKeyId: claim.accessKeyId, payload: payloadOf(claim, key) };
}

const OLD_MECHANISM = "this way of signing is not supported: use AWS4-HMAC-SHA256";
const MISMATCH = "the signature is not the one that follows from the request and the secret key";

function claimOfHeader(header: string, query: [string, string][], request: SignedRequest, nowMs: number): Claim {
  const [, algorithm = "", rest = ""] = /^(\S+)\s+(.*)$/.exec(header) ?? [];
  if (algorithm !== ALGORITHM) throw new S3Refusal("InvalidRequest", OLD_MECHANISM);
  const fields = new Map(rest.split(",").map((field) => splitOnce(field.trim(), "=")));
  const signedHeaders = fields.get("SignedHeaders");
  const signature = fields.get("Signature");
  if (signedHeaders === undefined || signature === undefined) throw malformed("it lacks SignedHeaders or Signature");
  const payload = request.headers["x-amz-content-sha256"];
  if (payload === undefined) throw new S3Refusal("InvalidRequest", "the header x-amz-content-sha256 is missing");
  const { accessKeyId, scope } = credentialOf(fields.get("Credential") ?? "", malformed);
  const date = request.headers["x-amz-date"] ?? isoOf(request.headers["date"]);
  const atMs = timeOf(date);
  if (atMs === null || !date.startsWith(scope.day))
    throw new S3Refusal("AccessDenied", "the request has no date, or another than its signature");
  if (Math.abs(atMs - nowMs) > SKEW_MS)
    throw new S3Refusal("RequestTimeTooSkewed", `the clocks differ by more than ${SKEW_MS / 60_000} minutes`);
  return { accessKeyId, scope, date, signedHeaders: signedHeaders.split(";"), signature, payload, query };
}

function claimOfQuery(query: [string, string][], request: SignedRequest, nowMs: number): Claim {
  const fields = new Map(query);
  const wrong = (problem: string) => new S3Refusal("AuthorizationQueryParametersError", problem);
  if (fields.get("X-Amz-Algorithm") !== ALGORITHM) throw wrong("X-Amz-Algorithm is not AWS4-HMAC-SHA256");
  const signature = fields.get("X-Amz-Signature");
  const signedHeaders = fields.get("X-Amz-SignedHeaders");
  const date = fields.get("X-Amz-Date") ?? "";
  const expires = fields.get("X-Amz-Expires") ?? "";
  if (signature === undefined || signedHeaders === undefined || !/^\d{1,7}$/.test(expires))
    throw wrong("X-Amz-Signature, X-Amz-SignedHeaders or X-Amz-Expires is missing, or wrong");
  if (Number(expires) > EXPIRES_SECONDS_MAX) throw wrong("X-Amz-Expires must be less than a week");
  const { accessKeyId, scope } = credentialOf(fields.get("X-Amz-Credential") ?? "", wrong);
  const atMs = timeOf(date);
  if (atMs === null || !date.startsWith(scope.day)) throw wrong("X-Amz-Date is not right");
  if (nowMs > atMs + Number(expires) * 1000) throw new S3Refusal("AccessDenied", "Request has expired");
  if (atMs > nowMs + SKEW_MS) throw new S3Refusal("AccessDenied", "Request is not valid yet");
  const payload = fields.get("X-Amz-Content-Sha256") ?? request.headers["x-amz-content-sha256"] ?? "UNSIGNED-PAYLOAD";
  const rest = query.filter(([name]) => name !== "X-Amz-Signature");
  return { accessKeyId, scope, date, signedHeaders: signedHeaders.split(";"), signature, payload, query: rest };
}

function malformed(problem: string): S3Refusal {
  return new S3Refusal("AuthorizationHeaderMalformed", `the authorization header is malformed: ${problem}`);
}

function credentialOf(text: string, wrong: (problem: string) => S3Refusal): Pick<Claim, "accessKeyId" | "scope"> {
  const [, accessKeyId = "", day = "", region = ""] = /^([^/]{1,512})\/(\d{8})\/([^/]{1,64})\/s3\/aws4_request$/.exec(text) ?? [];
  if (accessKeyId === "") throw wrong("the credential is not <key>/<day>/<region>/s3/aws4_request");
  return { accessKeyId, scope: { day, region } };
}

/** Of `20130524T000000Z`; null when it is no time. */
function timeOf(date: string): number | null {
  const [, y, mo, d, h, mi, s] = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(date) ?? [];
  const ms = y === undefined ? Number.NaN : Date.parse(`${y}-${mo}-${d}T${h}:${mi}:${s}Z`);
  return Number.isNaN(ms) ? null : ms;
}

function isoOf(date: string | undefined): string {
  const ms = Date.parse(date ?? "");
  return Number.isNaN(ms) ? "" : new Date(ms).toISOString().replace(/[-:]|\.\d{3}/g, "");
}

function demandSigned({ signedHeaders, signature }: Claim, { headers }: SignedRequest): void {
  const signed = new Set(signedHeaders);
  if (!/^[0-9a-f]{64}$/.test(signature)) throw new S3Refusal("SignatureDoesNotMatch", MISMATCH);
  if (!signed.has("host")) throw new S3Refusal("AccessDenied", "the header host is not signed");
  const unsigned = Object.keys(headers).find((name) => name.startsWith("x-amz-") && !signed.has(name));
  if (unsigned !== undefined)
    throw new S3Refusal("AccessDenied", `There were headers present in the request which were not signed: ${unsigned}`);
}

function signingKey(secret: string, { day, region }: Claim["scope"], { hmac }: S3Crypto): Uint8Array {
  const first = new TextEncoder().encode(`AWS4${secret}`);
  return ["s3", "aws4_request"].reduce((key, word) => hmac(key, word), hmac(hmac(first, day), region));
}

function textToSign(claim: Claim, request: SignedRequest, crypto: S3Crypto): string {
  return [ALGORITHM, claim.date, scopeText(claim), crypto.sha256Hex(canonicalRequest(claim, request))].join("\n");
}

function scopeText({ scope: { day, region } }: Claim): string {
  return `${day}/${region}/s3/aws4_request`;
}

function canonicalRequest({ signedHeaders, payload, query }: Claim, { method, path, headers }: SignedRequest): string {
  const pairs = query.map(([name, value]) => [uriEncode(name), uriEncode(value)] as const);
  const sorted = pairs.sort(([a, va], [b, vb]) => (a === b ? compare(va, vb) : compare(a, b)));
  const lines = signedHeaders.map((name) => `${name}:${(headers[name] ?? "").trim().replace(/ +/g, " ")}\n`);
  return [
    method,
    canonicalPath(path),
    sorted.map(([name, value]) => `${name}=${value}`).join("&"),
    lines.join(""),
    signedHeaders.join(";"),
    payload,
  ].join("\n");
}

function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

/** Encoded once, whichever way the client wrote it. */
function canonicalPath(path: string): string {
  return path
    .split("/")
    .map((part) => uriEncode(decode(part)))
    .join("/");
}

function uriEncode(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`);
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new S3Refusal("InvalidURI", "the URI can't be decoded");
  }
}

/** Names and values decoded, in the order in which they came. Throws S3Refusal. */
export function parseQuery(query: string): [string, string][] {
  if (query === "") return [];
  return query.split("&").flatMap((pair): [string, string][] => {
    if (pair === "") return [];
    const [name, value] = splitOnce(pair, "=");
    return [[decode(name.replaceAll("+", " ")), decode(value.replaceAll("+", " "))]];
  });
}

function splitOnce(text: string, mark: string): [string, string] {
  const at = text.indexOf(mark);
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}

function payloadOf(claim: Claim, key: Uint8Array): SignedPayload {
  const { payload, date, signature } = claim;
  if (payload === "UNSIGNED-PAYLOAD") return { kind: "unsigned" };
  const form = FORMS[payload];
  if (form !== undefined)
    return {
      kind: "chunks",
      chain: form.isSigned ? { key, date, scope: scopeText(claim), seed: signature } : null,
      hasTrailer: form.hasTrailer,
    };
  if (!/^[0-9a-f]{64}$/.test(payload))
    throw new S3Refusal("InvalidArgument", "x-amz-content-sha256 is no digest, and no form that is known");
  return { kind: "hash", sha256: payload };
}

function sign(key: Uint8Array, text: string, { hmac, hex }: S3Crypto): string {
  return hex(hmac(key, text));
}

/** The signature of the next chunk, or of the trailer; `previous`: of the one before. @param digest of its bytes, in hex */
export function chunkSignature(
  { key, date, scope }: ChunkChain,
  previous: string,
  { of, digest }: { of: "chunk" | "trailer"; digest: string },
  crypto: S3Crypto,
): string {
  const parts =
    of === "chunk"
      ? [`${ALGORITHM}-PAYLOAD`, date, scope, previous, crypto.sha256Hex(""), digest]
      : [`${ALGORITHM}-TRAILER`, date, scope, previous, digest];
  return sign(key, parts.join("\n"), crypto);
}
