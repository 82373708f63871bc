/** Where the console is: `#/path?query`. Only behind the `#`, so that no path of the API or of the Hub's door is ever taken. */
import { signal } from "@preact/signals";

/** `parts`: of the path, decoded. */
export type Route = { parts: string[]; query: URLSearchParams };

export const route = signal<Route>(parseRoute(globalThis.location?.hash ?? ""));

export function followLocation(): void {
  addEventListener("hashchange", () => {
    route.value = parseRoute(location.hash);
  });
}

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

export function go(parts: readonly string[], query: Record<string, string | undefined> = {}): void {
  location.hash = to(parts, query);
}

/** Changes the query of here; no new step in the history. */
export function refine(query: Record<string, string | undefined>): void {
  const { parts, query: old } = route.peek();
  const address = to(parts, { ...Object.fromEntries(old), ...query });
  history.replaceState(null, "", address);
  route.value = parseRoute(address);
}
