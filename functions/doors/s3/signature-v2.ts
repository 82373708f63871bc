/**
 * Presigned URLs of the older signature, version 2: boto3 and s3cmd still make them where nobody tells them otherwise. Only in the query,
 * where it ends with its time; requests are signed by version 4.
 */
import { S3Refusal } from "./refusals.ts";
import type { Signature, SignatureChecking, SignedRequest } from "./signature.ts";

/** What of the query is signed (docs.aws.amazon.com, "Signing and authenticating REST requests"). */
const SIGNED_WORDS = new Set(
  (
    "accelerate acl analytics cors delete encryption inventory lifecycle location logging metrics notification partNumber policy " +
    "replication requestPayment restore tagging torrent uploadId uploads versionId versioning versions website " +
    "response-cache-control response-content-disposition response-content-encoding response-content-language response-content-type response-expires"
  ).split(" "),
);
const AHEAD_SECONDS_MAX = 7 * 86_400;
const METHODS = ["GET", "HEAD", "PUT"];

/** @param query decoded. Throws S3Refusal. */
export async function checkSignatureV2(
  request: SignedRequest,
  query: readonly [string, string][],
  { crypto, nowMs, findSecret }: SignatureChecking,
): Promise<Signature> {
  const fields = new Map(query);
  const accessKeyId = fields.get("AWSAccessKeyId") ?? "";
  const expires = fields.get("Expires") ?? "";
  if (!METHODS.includes(request.method) || !/^\d{1,12}$/.test(expires))
    throw new S3Refusal("AccessDenied", "a presigned URL needs Expires, and is for GET, HEAD or PUT");
  if (Number(expires) * 1000 < nowMs) throw new S3Refusal("AccessDenied", "Request has expired");
  if (Number(expires) * 1000 > nowMs + AHEAD_SECONDS_MAX * 1000) throw new S3Refusal("AccessDenied", "Expires must be within a week");
  const secret = await findSecret(accessKeyId);
  if (secret === null) throw new S3Refusal("InvalidAccessKeyId", "the access key is unknown here, or no longer good");
  const expected = crypto.hmacSha1(secret, textToSign(request, query, expires));
  if (!crypto.isEqual(expected, fields.get("Signature") ?? ""))
    throw new S3Refusal("SignatureDoesNotMatch", "the signature is not the one that follows from the request and the secret key");
  return { accessKeyId, payload: { kind: "unsigned" } };
}

function textToSign({ method, path, headers }: SignedRequest, query: readonly [string, string][], expires: string): string {
  const amz = Object.entries(headers)
    .filter(([name]) => name.startsWith("x-amz-"))
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${name}:${value.trim()}\n`);
  const signed = query.filter(([name]) => SIGNED_WORDS.has(name)).sort(([a], [b]) => (a < b ? -1 : 1));
  const words = signed.map(([name, value]) => (value === "" ? name : `${name}=${value}`)).join("&");
  const resource = words === "" ? path : `${path}?${words}`;
  return [method, headers["content-md5"] ?? "", headers["content-type"] ?? "", expires, amz.join("") + resource].join("\n");
}
