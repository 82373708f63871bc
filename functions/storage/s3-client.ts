/** The SDK's client for one store, with everything set that it would else read from the machine's environment and files. */
import { S3Client, type S3ClientConfig } from "@aws-sdk/client-s3";
import { toBase64 } from "../../shared/digest.ts";
import type { Wire } from "./attempt.ts";
import { FetchHandler } from "./fetch-handler.ts";
import type { S3Profile, StoreCredentials } from "./profile.ts";

export function makeS3Client(profile: S3Profile, credentials: StoreCredentials, wire: Wire): S3Client {
  const { accessKeyId, secretAccessKey, sessionToken } = credentials;
  const client = new S3Client({
    endpoint: profile.endpoint,
    endpointProvider: () => endpointOf(profile),
    region: profile.region,
    forcePathStyle: profile.addressing === "path",
    credentials: { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) },
    requestHandler: new FetchHandler(wire),
    // Else the SDK adds CRC32 trailers in aws-chunked encoding, which Ceph, OSS, COS and GCS refuse.
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
    // attempt.ts repeats: there the time, the pause and the randomness are injected.
    maxAttempts: 1,
    retryMode: "standard",
    defaultsMode: "standard",
    useArnRegion: false,
    useDualstackEndpoint: false,
    useFipsEndpoint: false,
    disableS3ExpressSessionAuth: true,
    followRegionRedirects: false,
  });
  checksumByMd5(client);
  return client;
}

/**
 * Where requests about the bucket go. In place of the SDK's own rules, which know AWS's regions, access points and Outposts: every store's
 * endpoint is given, and the Worker is 8 KiB of gzip smaller without them (scripts/worker-parts/s3-client.ts).
 */
function endpointOf({ endpoint, addressing, bucket, region }: S3Profile): ReturnType<NonNullable<S3ClientConfig["endpointProvider"]>> {
  const { protocol, host, pathname } = new URL(endpoint);
  const root = pathname === "/" ? "" : pathname;
  const url = new URL(addressing === "virtual" ? `${protocol}//${bucket}.${host}${root}` : `${protocol}//${host}${root}/${bucket}`);
  const scheme = { name: "sigv4", signingName: "s3", signingRegion: region, disableDoubleEncoding: true };
  return { url, properties: { authSchemes: [{ ...scheme, properties: {} }] }, headers: {} };
}

/** Where S3 demands a checksum (DeleteObjects, bucket settings) the SDK sends a CRC32, which older servers do not take for one. */
function checksumByMd5(client: S3Client): void {
  client.middlewareStack.add(
    (next) => async (args) => {
      if (isChecked(args.request)) await replaceChecksum(client, args.request);
      return next(args);
    },
    // After the SDK's own checksum, before the signature.
    { step: "build", priority: "low", name: "checksumByMd5" },
  );
}

async function replaceChecksum(client: S3Client, { headers, body }: CheckedRequest): Promise<void> {
  for (const name of Object.keys(headers).filter(isChecksumHeader)) delete headers[name];
  headers["content-md5"] = toBase64(await md5Of(client, typeof body === "string" ? new TextEncoder().encode(body) : body));
}

/** MD5 by the SDK's own code, for WebCrypto has none. For small things only. */
export async function md5Of(client: S3Client, bytes: Uint8Array): Promise<Uint8Array> {
  const md5 = new client.config.md5();
  md5.update(bytes);
  return md5.digest();
}

type CheckedRequest = { headers: Record<string, string>; body: string | Uint8Array };

function isChecked(request: unknown): request is CheckedRequest {
  if (typeof request !== "object" || request === null || !("headers" in request) || !("body" in request)) return false;
  const { headers, body } = request;
  if (typeof headers !== "object" || headers === null) return false;
  return Object.keys(headers).some(isChecksumHeader) && (typeof body === "string" || body instanceof Uint8Array);
}

function isChecksumHeader(name: string): boolean {
  return name.startsWith("x-amz-checksum-") || name === "x-amz-sdk-checksum-algorithm";
}
