/** The console's pages: a row for each, in the order of the navigation. A page is one file, fetched when somebody goes there. */
import type { ComponentType } from "preact";
import type { Word } from "../core/words.ts";

export type PageProps = { parts: string[]; query: URLSearchParams };
type Row = { path: string; word: Word; load: () => Promise<{ default: ComponentType<PageProps> }> };

export const NAVIGATION: readonly Row[] = [
  { path: "", word: "nav.overview", load: () => import("./overview.tsx") },
  { path: "repositories", word: "nav.repositories", load: () => import("./repositories.tsx") },
  { path: "upload", word: "nav.upload", load: () => import("./upload.tsx") },
  { path: "replication", word: "nav.replication", load: () => import("./replication.tsx") },
  { path: "nodes", word: "nav.nodes", load: () => import("./nodes.tsx") },
  { path: "webhooks", word: "nav.webhooks", load: () => import("./webhooks.tsx") },
  { path: "trash", word: "nav.trash", load: () => import("./trash.tsx") },
  { path: "storage", word: "nav.storage", load: () => import("./storage.tsx") },
  { path: "cost", word: "nav.cost", load: () => import("./cost.tsx") },
  { path: "tokens", word: "nav.tokens", load: () => import("./tokens.tsx") },
  { path: "audit", word: "nav.audit", load: () => import("./audit.tsx") },
  { path: "settings", word: "nav.settings", load: () => import("./settings.tsx") },
  { path: "docs", word: "nav.docs", load: () => import("./docs.tsx") },
];

/** The row of a place; null: there is none. */
export function pageAt(parts: readonly string[]): Row | null {
  return NAVIGATION.find(({ path }) => path === (parts[0] ?? "")) ?? null;
}
