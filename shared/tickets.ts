/** The HTTP requests that tickets and presigned downloads stand for. Signatures are secrets: never log a URL or header made here. */
import type { DownloadBatch } from "./contract/downloads.ts";
import type { TicketBatch } from "./contract/uploads.ts";
import { fromHex, toBase64 } from "./digest.ts";

export type SignedRequest = { method: "PUT"; url: string; headers: Record<string, string> };

/**
 * The PUT of one item, with its headers. Content-Length is signed but not among them: every HTTP client sends it by itself for a body
 * of known length, and fetch refuses to have it set. The body must be exactly `item.size` bytes, sent plain: no chunked encoding, no
 * content encoding. An answer of 412 (or 409) means that the key is taken, which for an upload's own key is success.
 */
export function ticketRequest(batch: TicketBatch, item: TicketBatch["items"][number]): SignedRequest {
  const url = batch.base + item.path;
  switch (batch.mode) {
    case "payload": {
      const authorization = batch.authorization + item.signature;
      return { method: "PUT", url, headers: { ...batch.headers, authorization, "x-amz-content-sha256": item.sha256 } };
    }
    case "checksum": {
      const checksum = toBase64(fromHex(item.sha256));
      return { method: "PUT", url: signedUrl(url, batch, item), headers: { ...batch.headers, "x-amz-checksum-sha256": checksum } };
    }
    case "md5":
      return { method: "PUT", url: signedUrl(url, batch, item), headers: { ...batch.headers, "content-md5": item.md5 ?? "" } };
    default:
      return batch.mode satisfies never;
  }
}

/** The URL to GET one item, whole or with a Range header (which is not signed). HEAD is another verb and is refused. */
export function downloadUrl(batch: DownloadBatch, item: DownloadBatch["items"][number]): string {
  return signedUrl(batch.base + item.path, batch, item);
}

function signedUrl(url: string, { query }: { query: string }, { signature }: { signature: string }): string {
  return `${url}?${query}&X-Amz-Signature=${signature}`;
}
