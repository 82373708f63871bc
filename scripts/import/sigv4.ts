/** Signature Version 4 in the authorization header, of GETs of S3 objects and listings. Sources: AWS's specification of SigV4. */
import { createHash, createHmac } from "node:crypto";

export type S3Keys = { accessKeyId: string; secretAccessKey: string; sessionToken: string | undefined; region: string };

const EMPTY = createHash("sha256").update("").digest("hex");

/** The headers of a GET of `url`, whose path is encoded already. @param atMs since 1970 */
export function signedHeaders(url: URL, keys: S3Keys, atMs: number): Record<string, string> {
  const time = new Date(atMs).toISOString().replace(/[-:]|\.\d{3}/g, "");
  const scope = `${time.slice(0, 8)}/${keys.region}/s3/aws4_request`;
  const headers: Record<string, string> = { host: url.host, "x-amz-content-sha256": EMPTY, "x-amz-date": time };
  if (keys.sessionToken !== undefined) headers["x-amz-security-token"] = keys.sessionToken;
  const names = Object.keys(headers).sort();
  const query = [...url.searchParams].map(([name, value]) => `${encode(name)}=${encode(value)}`).sort();
  const canonical = [
    "GET",
    url.pathname,
    query.join("&"),
    ...names.map((name) => `${name}:${headers[name]}`),
    "",
    names.join(";"),
    EMPTY,
  ].join("\n");
  const toSign = ["AWS4-HMAC-SHA256", time, scope, createHash("sha256").update(canonical).digest("hex")].join("\n");
  let key: Buffer = Buffer.from(`AWS4${keys.secretAccessKey}`);
  for (const part of scope.split("/")) key = createHmac("sha256", key).update(part).digest();
  const signature = createHmac("sha256", key).update(toSign).digest("hex");
  const { host: _, ...sent } = headers;
  const credential = `${keys.accessKeyId}/${scope}`;
  return { ...sent, authorization: `AWS4-HMAC-SHA256 Credential=${credential}, SignedHeaders=${names.join(";")}, Signature=${signature}` };
}

/** Everything but unreserved characters. */
export function encode(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
}
