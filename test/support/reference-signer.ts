/** The SDK's own signers, set up so that ours can be compared with them. */
import { createHash, createHmac } from "node:crypto";
import { S3RequestPresigner } from "@aws-sdk/s3-request-presigner";
import { SignatureV4 } from "@smithy/signature-v4";

export type ReferenceRequest = { method: string; url: URL; headers: Record<string, string> };

type Credentials = { accessKeyId: string; secretAccessKey: string; sessionToken?: string };
type Setup = { credentials: Credentials; region: string; at: Date };

/** `SourceData` of the SDK is text or bytes. */
class Sha256 {
  readonly #hash;

  constructor(secret?: string | ArrayBuffer | ArrayBufferView) {
    this.#hash = secret === undefined ? createHash("sha256") : createHmac("sha256", bytesOf(secret));
  }

  update(data: string | ArrayBuffer | ArrayBufferView): void {
    this.#hash.update(bytesOf(data));
  }

  async digest(): Promise<Uint8Array> {
    return this.#hash.digest();
  }

  reset(): void {
    throw new Error("not needed by the signers");
  }
}

function bytesOf(data: string | ArrayBuffer | ArrayBufferView): Buffer {
  if (typeof data === "string") return Buffer.from(data);
  return ArrayBuffer.isView(data) ? Buffer.from(data.buffer, data.byteOffset, data.byteLength) : Buffer.from(data);
}

/** Parameters of the presigned URL as S3RequestPresigner makes it, X-Amz-Signature among them. */
export async function presignedQuery(
  request: ReferenceRequest,
  { credentials, region, at, expiresSeconds }: Setup & { expiresSeconds: number },
): Promise<Record<string, string>> {
  const presigner = new S3RequestPresigner({ credentials, region, sha256: Sha256 });
  const signed = await presigner.presign(smithyRequest(request), {
    signingDate: at,
    expiresIn: expiresSeconds,
    unhoistableHeaders: new Set(Object.keys(request.headers)),
  });
  return Object.fromEntries(Object.entries(signed.query ?? {}).map(([name, value]) => [name, String(value)]));
}

/** The authorization header as SignatureV4 makes it. */
export async function authorizationHeader(request: ReferenceRequest, { credentials, region, at }: Setup): Promise<string> {
  const signer = new SignatureV4({ credentials, region, service: "s3", sha256: Sha256, uriEscapePath: false, applyChecksum: false });
  const { headers } = await signer.sign(smithyRequest(request), { signingDate: at });
  return headers["authorization"] ?? "";
}

function smithyRequest({ method, url, headers }: ReferenceRequest) {
  const query = Object.fromEntries(url.searchParams);
  const port = url.port === "" ? {} : { port: Number(url.port) };
  const host = { host: url.host };
  return { method, protocol: url.protocol, hostname: url.hostname, ...port, path: url.pathname, query, headers: { ...headers, ...host } };
}
