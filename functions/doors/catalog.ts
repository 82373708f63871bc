/**
 * What a foreign protocol needs of us, and all that it may have: a door is written on this port, so that the registry and a node's agent
 * can open the same door. Whoever makes a catalog has made sure who asks; each call looks whether that one may.
 */
import type { Digest } from "../../shared/digest.ts";
import type { RepositoryName } from "../../shared/names.ts";
import type { ByteRange, Extent } from "../../shared/ranges.ts";

/** `namespaces`: where the person may create repositories, as far as scopes name them. */
export type Person = { name: string; isRobot: boolean; mayWrite: boolean; namespaces: readonly string[] };

export type CatalogFile = { path: string; size: number; sha256: Digest };

export type CatalogRevision = { id: string; message: string; time: string; author: string };

/** A revision and its files, in order of path. `createdAt`: of the repository. */
export type Snapshot = {
  repository: RepositoryName;
  createdAt: string;
  revision: CatalogRevision;
  files: readonly CatalogFile[];
  find(path: string): CatalogFile | null;
};

export type Names = { branches: Readonly<Record<string, string>>; tags: Readonly<Record<string, string>> };

/** An object with bytes of a file; `id` names it where it is kept. `sha256`: of the whole object, when that is known. */
export type Source = { id: string; sizeBytes: number; sha256: Digest | null };

export interface Catalog {
  readonly person: Person;
  /** How long the next bytes of an object may take, where that is long: a cache gives parts of what it has seen whole. */
  readonly patienceMs?: number;
  /** `ref`: a branch, a tag or a revision. Throws REPOSITORY_UNKNOWN, REF_UNKNOWN, REPOSITORY_BLOCKED. */
  snapshot(repository: RepositoryName, ref: string): Promise<Snapshot>;
  names(repository: RepositoryName): Promise<Names>;
  /** Throws unless the caller may read, or write, there. */
  demand(repository: RepositoryName, action: "pull" | "push"): Promise<void>;
  /** Newest first. `next`: null at the end. */
  history(
    repository: RepositoryName,
    ref: string,
    page: { cursor: string | undefined; limit: number },
  ): Promise<{ revisions: CatalogRevision[]; next: string | null; total: number }>;
  /** In order of name. */
  list(query: {
    namespace: string | undefined;
    search: string | undefined;
    cursor: string | undefined;
    limit: number;
  }): Promise<{ repositories: { repository: RepositoryName; createdAt: string }[]; next: string | null }>;
  /** A URL with the whole file, for who may follow it at once; null when the file is no single object. */
  link(snapshot: Snapshot, file: CatalogFile): Promise<string | null>;
  /** Where the bytes of a range are. */
  pieces(snapshot: Snapshot, file: CatalogFile, range: ByteRange): Promise<Extent<Source>[]>;
  /** Opens a part of an object. Throws STORAGE_UNAVAILABLE. */
  open(source: Source, range: { offset: number; length: number }, signal: AbortSignal): Promise<ReadableStream<Uint8Array>>;
  /** For what is read whole. */
  startHash(): { update(bytes: Uint8Array): Promise<void> | void; digest(): Promise<Digest> };
}
