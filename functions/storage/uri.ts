/** Percent-encoding as Signature Version 4 wants it: RFC 3986 unreserved characters stay, everything else is encoded, once. */

/** encodeURIComponent leaves `!'()*` alone; S3 does not. */
export function encodeText(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`);
}

/**
 * An object key as it stands in a URL: each segment encoded once, slashes kept. Throws RangeError on the segments `.` and `..`: HTTP
 * clients resolve them before they send, so that the signature would be for another object than the request.
 */
export function encodeKey(key: string): string {
  const segments = key.split("/");
  if (segments.some((segment) => segment === "." || segment === "..")) throw new RangeError("a key with dot segments can't be addressed");
  return segments.map(encodeText).join("/");
}

/** The canonical query: names and values encoded, sorted by name. It is also what stands in the URL. */
export function encodeQuery(parameters: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(parameters).map(([name, value]) => [encodeText(name), encodeText(value)] as const);
  return pairs
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${name}=${value}`)
    .join("&");
}
