/** Addresses of places in the console: `#/path?query`. */

/** `parts`: of the path, decoded. */
export type Route = { parts: string[]; query: URLSearchParams };

/** What can't be decoded is no place: the overview. */
export function parseRoute(hash: string): Route {
  const [path = "", query = ""] = hash.replace(/^#\/?/, "").split(/\?(.*)/s);
  try {
    return {
      parts: path
        .split("/")
        .filter((part) => part !== "")
        .map(decodeURIComponent),
      query: new URLSearchParams(query),
    };
  } catch {
    return { parts: [], query: new URLSearchParams() };
  }
}

/** The address of a place. Values that are undefined or empty are left out. */
export function to(parts: readonly string[], query: Record<string, string | undefined> = {}): string {
  const text = new URLSearchParams(Object.entries(query).filter((pair): pair is [string, string] => (pair[1] ?? "") !== "")).toString();
  return `#/${parts.map(encodeURIComponent).join("/")}${text === "" ? "" : `?${text}`}`;
}
