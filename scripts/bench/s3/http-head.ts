/** The head of an HTTP/1.1 request, as the bench's own S3 server reads it: from clients that we start ourselves, so plainly. */

export type RequestHead = {
  method: string;
  /** Decoded, begins with "/". */
  path: string;
  query: URLSearchParams;
  /** Names in lower case. */
  headers: ReadonlyMap<string, string>;
};

const HEAD_END = Buffer.from("\r\n\r\n");
const HEAD_BYTES_MAX = 64 * 1024;

/** Where the head ends (the length with its empty line), or null when more bytes are needed. Throws RangeError when there is no end. */
export function headLength(bytes: Buffer): number | null {
  const at = bytes.indexOf(HEAD_END);
  if (at >= 0) return at + HEAD_END.length;
  if (bytes.length > HEAD_BYTES_MAX) throw new RangeError("a request's head is too long");
  return null;
}

/** Throws RangeError on anything but a request's head. */
export function parseHead(text: string): RequestHead {
  const [first = "", ...lines] = text.split("\r\n");
  const [, method, target] = /^([A-Z]+) (\S+) HTTP\/1\.1$/.exec(first) ?? [];
  if (method === undefined || target === undefined) throw new RangeError(`not a request: ${first.slice(0, 100)}`);
  const [path = "/", query = ""] = splitAt(target, "?");
  const headers = new Map<string, string>();
  for (const line of lines) {
    const [name = "", value = ""] = splitAt(line, ":");
    if (name !== "") headers.set(name.toLowerCase(), value.trim());
  }
  return { method, path: decodeURIComponent(path), query: new URLSearchParams(query), headers };
}

function splitAt(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + separator.length)];
}
