/** One file at a URL, which keeps the last part of its name. */
import { FerryError } from "../../shared/errors.ts";
import { type Asked, ask, open } from "./ask.ts";
import type { Fetch, Origin, OriginFile } from "./origin.ts";

/** Null when `text` is no URL of this kind. */
export function urlOrigin(text: string, fetch: Fetch): Origin | null {
  if (!/^https?:\/\//.test(text) || !URL.canParse(text)) return null;
  const url = new URL(text);
  // What follows the path may be a signature.
  const name = url.origin + url.pathname;
  const asked: Asked = { source: name, fetch };
  return {
    name,
    revision: null,
    list: async (signal) => [await lookAt(asked, url, signal)],
    open: (file, range, signal) => {
      const isStrong = file.etag !== null && !file.etag.startsWith("W/");
      return open(asked, file, range, { url: url.href, headers: isStrong ? { "if-match": file.etag ?? "" } : {}, signal });
    },
  };
}

async function lookAt(asked: Asked, url: URL, signal: AbortSignal): Promise<OriginFile> {
  const path = decodeURIComponent(url.pathname.slice(url.pathname.lastIndexOf("/") + 1));
  if (path === "") throw new FerryError("USAGE_INVALID", { problem: `${asked.source} names no file` });
  const { headers } = await ask(asked, { url: url.href, method: "HEAD", headers: { "accept-encoding": "identity" }, signal });
  const length = headers.get("content-length");
  if (length === null || !/^\d+$/.test(length))
    throw new FerryError("SOURCE_UNAVAILABLE", { source: asked.source, problem: "it does not say how long it is" });
  return { path, sizeBytes: Number(length), sha256: null, gitId: null, md5: null, etag: headers.get("etag") };
}
