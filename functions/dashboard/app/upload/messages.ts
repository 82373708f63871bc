/** What the page and its hashing worker tell each other. Plain data; bytes never travel, only files, which are handles. */
import type { Range } from "../../../../shared/chunking/group.ts";
import type { Recipe } from "../../../../shared/recipe.ts";

/** `ready`: the page has room for the file's next chunk. */
export type ToWorker = { id: number; file: File } | { id: number; ready: true } | { id: number; stop: true };

export type FoundChunk = { sha256: string; size: number; ranges: Range[] };
export type FromWorker =
  | { id: number; chunk: FoundChunk }
  | { id: number; done: { sha256: string; recipe: Recipe | null } }
  /** `changed`: the file can't be read any more, or is no longer what it was when it was chosen. */
  | { id: number; failed: { changed: boolean; problem: string } };
