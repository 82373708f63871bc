/**
 * Objects of a bucket below a prefix, or one object. Keys and places come from the usual variables (AWS_ACCESS_KEY_ID,
 * AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_REGION, AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL); without keys nothing is signed.
 */
import { FerryError } from "../../shared/errors.ts";
import { type Asked, ask, open } from "./ask.ts";
import type { Env, Fetch, Origin, OriginFile } from "./origin.ts";
import { encode, type S3Keys, signedHeaders } from "./sigv4.ts";

const NAME = /^s3:\/\/([A-Za-z0-9][A-Za-z0-9._-]{1,62})(?:\/(.*))?$/;
const PAGES_MAX = 1_000;
const REGION = "us-east-1";

export type BucketOptions = {
  env: Env;
  fetch: Fetch;
  nowMs: () => number;
  /** The bucket's name is part of the host. */
  virtualHosted: boolean;
};

/** Null when `text` is no name of this kind. */
export function bucketOrigin(text: string, options: BucketOptions): Origin | null {
  const [, bucket = "", prefix = ""] = NAME.exec(text) ?? [];
  return bucket === "" ? null : new BucketOrigin(bucket, prefix, options);
}

class BucketOrigin implements Origin {
  readonly name: string;
  readonly revision = null;
  readonly #prefix: string;
  readonly #asked: Asked;
  readonly #root: string;
  readonly #keys: S3Keys | null;
  readonly #nowMs: () => number;
  readonly #objects = new Map<string, string>();

  constructor(bucket: string, prefix: string, { env, fetch, nowMs, virtualHosted }: BucketOptions) {
    const region = env["AWS_REGION"] || env["AWS_DEFAULT_REGION"] || REGION;
    const endpoint = new URL(env["AWS_ENDPOINT_URL_S3"] || env["AWS_ENDPOINT_URL"] || `https://s3.${region}.amazonaws.com`);
    if (virtualHosted) endpoint.host = `${bucket}.${endpoint.host}`;
    const [accessKeyId, secretAccessKey] = [env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"]];
    this.name = `s3://${bucket}/${prefix}`;
    this.#prefix = prefix;
    this.#asked = { source: this.name, fetch };
    this.#root = `${endpoint.href.replace(/\/+$/, "")}/${virtualHosted ? "" : `${bucket}/`}`;
    this.#keys = accessKeyId && secretAccessKey ? { accessKeyId, secretAccessKey, sessionToken: env["AWS_SESSION_TOKEN"], region } : null;
    this.#nowMs = nowMs;
  }

  async list(signal: AbortSignal): Promise<OriginFile[]> {
    const files: OriginFile[] = [];
    let token: string | null = null;
    for (let pages = 0; pages === 0 || token !== null; pages++) {
      if (pages >= PAGES_MAX) throw this.#unlike();
      const page: Page = await this.#page(token, signal);
      for (const object of page.objects) {
        const path = this.#pathOf(object.key);
        if (path === null) continue;
        this.#objects.set(path, object.key);
        files.push({ path, sizeBytes: object.sizeBytes, sha256: null, gitId: null, md5: md5Of(object.etag), etag: object.etag });
      }
      token = page.next;
    }
    return files;
  }

  async open(file: OriginFile, range: { from: number; to: number }, signal: AbortSignal) {
    const key = this.#objects.get(file.path) ?? "";
    const url = new URL(this.#root + key.split("/").map(encode).join("/"));
    return open(this.#asked, file, range, {
      url: url.href,
      headers: { ...this.#sign(url), ...(file.etag === null ? {} : { "if-match": file.etag }) },
      signal,
    });
  }

  /** Below the prefix when that is a folder; the last part of the name when it is the object itself. Null: a folder's mark, or another name. */
  #pathOf(key: string): string | null {
    if (key.endsWith("/")) return null;
    if (this.#prefix === "" || this.#prefix.endsWith("/")) return key.slice(this.#prefix.length);
    if (key === this.#prefix) return key.slice(key.lastIndexOf("/") + 1);
    return key.startsWith(`${this.#prefix}/`) ? key.slice(this.#prefix.length + 1) : null;
  }

  async #page(token: string | null, signal: AbortSignal): Promise<Page> {
    const url = new URL(this.#root);
    const query = {
      "list-type": "2",
      prefix: this.#prefix,
      "encoding-type": "url",
      ...(token === null ? {} : { "continuation-token": token }),
    };
    // As it is signed: a '+' for a space would be another text.
    url.search = Object.entries(query)
      .map(([name, value]) => `${name}=${encode(value)}`)
      .sort()
      .join("&");
    const answer = await ask(this.#asked, { url: url.href, headers: this.#sign(url), signal });
    const page = pageOf(await answer.text());
    if (page === null) throw this.#unlike();
    return page;
  }

  #sign(url: URL): Record<string, string> {
    return this.#keys === null ? {} : signedHeaders(url, this.#keys, this.#nowMs());
  }

  #unlike(): FerryError {
    return new FerryError("SOURCE_UNAVAILABLE", { source: this.name, problem: "its answer is not that of an S3" });
  }
}

type Page = { objects: { key: string; sizeBytes: number; etag: string | null }[]; next: string | null };

function pageOf(xml: string): Page | null {
  if (!xml.includes("<ListBucketResult")) return null;
  const isEncoded = /<EncodingType>url<\/EncodingType>/.test(xml);
  const objects = [...xml.matchAll(/<Contents>(.*?)<\/Contents>/gs)].map(([, content = ""]) => {
    const key = textIn(content, "Key") ?? "";
    return {
      key: isEncoded ? decodeURIComponent(key.replaceAll("+", "%20")) : key,
      sizeBytes: Number(textIn(content, "Size")),
      etag: textIn(content, "ETag"),
    };
  });
  if (objects.some(({ key, sizeBytes }) => key === "" || !Number.isSafeInteger(sizeBytes))) return null;
  return { objects, next: /<IsTruncated>true</.test(xml) ? textIn(xml, "NextContinuationToken") : null };
}

function textIn(xml: string, name: string): string | null {
  const [, text] = new RegExp(`<${name}>([^<]*)</${name}>`).exec(xml) ?? [];
  return text === undefined ? null : text.replace(/&(lt|gt|quot|apos|amp|#34|#39|#13|#10);/g, (entity) => ENTITIES[entity] ?? entity);
}

const ENTITIES: Readonly<Record<string, string>> = {
  "&lt;": "<",
  "&gt;": ">",
  "&quot;": '"',
  "&#34;": '"',
  "&apos;": "'",
  "&#39;": "'",
  "&#13;": "\r",
  "&#10;": "\n",
  "&amp;": "&",
};

/** An ETag with a '-' is of an upload in parts. */
function md5Of(etag: string | null): string | null {
  const [, hex] = /^"?([0-9a-f]{32})"?$/i.exec(etag ?? "") ?? [];
  return hex?.toLowerCase() ?? null;
}
