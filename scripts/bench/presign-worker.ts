/**
 * What presign.ts measures: one way of signing, many times. Bundled for workerd and for Node and never imported by scripts, which is why
 * it may stand on the other side of the line between scripts/ and functions/.
 */
import { PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { getSignedUrl, S3RequestPresigner } from "@aws-sdk/s3-request-presigner";
// biome-ignore lint/style/noRestrictedImports: measured, not used
import { DIALECTS } from "../../functions/storage/dialects.ts";
// biome-ignore lint/style/noRestrictedImports: measured, not used
import { Signer } from "../../functions/storage/signer.ts";
// biome-ignore lint/style/noRestrictedImports: measured, not used
import { signDownloads, signTickets } from "../../functions/storage/tickets.ts";
import { Digest } from "../../shared/digest.ts";
import { StoreId } from "../../shared/names.ts";

const HOST = "0123456789abcdef0123456789abcdef.r2.cloudflarestorage.com";
const BUCKET = "models";
const REGION = "auto";
const CREDENTIALS = { accessKeyId: "0123456789abcdef0123456789abcdef", secretAccessKey: "0123456789abcdef".repeat(4) };
const MD5 = "1B2M2Y8AsgTpgAmY7PhCfg==";
const SIZE_BYTES = 64 * 1024 * 1024;
const PLACE = { origin: `https://${HOST}`, host: HOST, path: `/${BUCKET}/chunks/` };
const STORE = StoreId.parse("home");

const signer = new Signer({ credentials: CREDENTIALS, region: REGION, clock: { now: () => Date.now() } });
const client = new S3Client({
  endpoint: `https://${HOST}`,
  region: REGION,
  credentials: CREDENTIALS,
  forcePathStyle: true,
  requestChecksumCalculation: "WHEN_REQUIRED",
  responseChecksumValidation: "WHEN_REQUIRED",
});
const presigner = new S3RequestPresigner({ ...client.config });

/** Signs `count` requests, and gives what an answer would be made of. */
export const WAYS: Record<string, (count: number) => Promise<unknown>> = {
  nothing: async (count) => chunks(count),
  "ticket payload": (count) => signTickets(signer, { mode: "payload", place: PLACE, dialect: DIALECTS.r2, items: chunks(count) }),
  "ticket checksum": (count) => signTickets(signer, { mode: "checksum", place: PLACE, dialect: DIALECTS.r2, items: chunks(count) }),
  "ticket md5": (count) => signTickets(signer, { mode: "md5", place: PLACE, dialect: DIALECTS.r2, items: chunks(count) }),
  download: (count) => signDownloads(signer, { store: STORE, place: PLACE, items: chunks(count) }),
  "S3RequestPresigner md5": (count) => one(count, (path) => presigner.presign(putRequest(path), { expiresIn: 900 })),
  "getSignedUrl md5": (count) => one(count, (path) => getSignedUrl(client, putCommand(path), { expiresIn: 900 })),
};

export default {
  async fetch(request: Request): Promise<Response> {
    const { searchParams } = new URL(request.url);
    const way = WAYS[searchParams.get("way") ?? ""];
    if (way === undefined) return new Response("no such way", { status: 404 });
    await way(Number(searchParams.get("count")));
    return new Response("signed");
  },
};

function chunks(count: number) {
  return Array.from({ length: count }, (_, index) => {
    const sha256 = Digest.parse(index.toString(16).padStart(8, "0").repeat(8));
    return { sha256, size: SIZE_BYTES, path: `${sha256.slice(0, 2)}/${sha256}~0123456789abcdef`, md5: MD5 };
  });
}

async function one(count: number, sign: (path: string) => Promise<unknown>): Promise<void> {
  for (const { path } of chunks(count)) await sign(path);
}

function putRequest(path: string) {
  const headers = { "content-length": String(SIZE_BYTES), "content-md5": MD5, "if-none-match": "*" };
  return { method: "PUT", protocol: "https:", hostname: HOST, path: PLACE.path + path, query: {}, headers };
}

function putCommand(path: string): PutObjectCommand {
  return new PutObjectCommand({ Bucket: BUCKET, Key: `chunks/${path}`, ContentLength: SIZE_BYTES, ContentMD5: MD5, IfNoneMatch: "*" });
}
