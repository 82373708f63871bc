/** Where the console is: `#/path?query`. Only behind the `#`, so that no path of the API or of the Hub's door is ever taken. */
import { signal } from "@preact/signals";
import { parseRoute, type Route, to } from "./address.ts";

export const route = signal<Route>(parseRoute(globalThis.location?.hash ?? ""));

export function followLocation(): void {
  addEventListener("hashchange", () => {
    route.value = parseRoute(location.hash);
  });
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
