/**
 * What one caller sees through the S3 door: repositories by his own token, and over the branches that he may push to what is pending there.
 * Names and heads are asked for again after a moment, since clients ask for hundreds of ranges of one file; what he commits here shows at once.
 */

import type { CatalogFile, Names } from "../../functions/doors/catalog.ts";
import { type KeyPlace, placeOf, type S3Target, splitKey } from "../../functions/doors/s3/address.ts";
import { compareKeys } from "../../functions/doors/s3/listing.ts";
import { S3Refusal } from "../../functions/doors/s3/refusals.ts";
import type { FerryClient } from "../../shared/client.ts";
import type { Action, Scope } from "../../shared/contract/access.ts";
import { DEFAULT_BRANCH } from "../../shared/contract/repositories.ts";
import type { Digest } from "../../shared/digest.ts";
import { FerryError } from "../../shared/errors.ts";
import { matchesGlob, RefName, RepositoryName } from "../../shared/names.ts";
import type { ApiCatalog } from "./api-catalog.ts";
import type { Change, PendingBranch, PendingBranches } from "./s3-pending.ts";

const MEMO_MS = 2_000;
const SCOPES_MS = 10_000;
const MEMO_MAX = 2_000;
const REPOSITORY_PAGE = 1000;

export type Snapshot = Awaited<ReturnType<ApiCatalog["snapshot"]>>;

/** A file as S3 shows it. `change` null: it is of the head. */
export type S3File = { path: string; size: number; sha256: Digest; atMs: number; snapshot: Snapshot | null; change: Change | null };

/** Where a key leads. `snapshot` null: there is no such branch yet. `pending` null: nothing is, or the caller may not push. */
export type Branch = {
  repository: RepositoryName;
  ref: string;
  snapshot: Snapshot | null;
  pending: PendingBranch | null;
};

/** What callers were told a moment ago; of all callers of a door. */
export class S3Memo {
  readonly #known = new Map<string, { value: Promise<unknown>; untilMs: number }>();

  async get<T>(key: string, goodMs: number, ask: () => Promise<T>): Promise<T> {
    const known = this.#known.get(key);
    const nowMs = Date.now();
    if (known !== undefined && known.untilMs > nowMs) return known.value as Promise<T>;
    if (this.#known.size >= MEMO_MAX) this.#known.clear();
    const value = ask();
    this.#known.set(key, { value, untilMs: nowMs + goodMs });
    // What went wrong is asked again.
    value.catch(() => this.#known.delete(key));
    return value;
  }

  /** What a repository has may be another now. */
  forget(repository: RepositoryName): void {
    for (const key of this.#known.keys()) if (key.includes(` ${repository} `) || key.includes(" list ")) this.#known.delete(key);
  }
}

export type ViewParts = {
  /** Names the caller in the memo. */
  caller: string;
  client: FerryClient;
  catalog: ApiCatalog;
  memo: S3Memo;
  pending: PendingBranches;
  /** He signed nothing: he only reads. */
  isAnonymous: boolean;
  signal: AbortSignal;
};

export class S3View {
  readonly client: FerryClient;
  readonly catalog: ApiCatalog;
  readonly #parts: ViewParts;

  constructor(parts: ViewParts) {
    this.#parts = parts;
    this.client = parts.client;
    this.catalog = parts.catalog;
  }

  /** Throws TOKEN_INVALID. */
  scopes(): Promise<readonly Scope[]> {
    const { caller, client, memo, signal } = this.#parts;
    return memo.get(`${caller} scopes`, SCOPES_MS, async () => (await client.call("whoAmI", {}, signal)).scopes);
  }

  /** The registry decides when it comes to it; this is for what is kept here before. */
  async may(action: Action, repository: RepositoryName): Promise<boolean> {
    if (this.#parts.isAnonymous && action !== "pull") return false;
    const scopes = await this.scopes();
    return scopes.some(
      (scope) => (scope.actions.includes(action) || scope.actions.includes("admin")) && matchesGlob(scope.repositories, repository),
    );
  }

  /** Throws S3Refusal. */
  async demandPush(repository: RepositoryName): Promise<void> {
    if (!(await this.may("push", repository))) throw new S3Refusal("AccessDenied", `these credentials may not push to ${repository}`);
  }

  /** Null: there is no such repository, or it is not for the caller. */
  async names(repository: RepositoryName): Promise<Names | null> {
    const { caller, catalog, memo } = this.#parts;
    return orNull(memo.get(`${caller} ${repository} names`, MEMO_MS, () => catalog.names(repository)));
  }

  async snapshot(repository: RepositoryName, ref: string): Promise<Snapshot | null> {
    const { caller, catalog, memo } = this.#parts;
    return orNull(memo.get(`${caller} ${repository} at ${ref}`, MEMO_MS, () => catalog.snapshot(repository, ref)));
  }

  /** Its settings, and what counts against its quota. */
  described(repository: RepositoryName) {
    const { caller, client, memo, signal } = this.#parts;
    return memo.get(`${caller} ${repository} described`, MEMO_MS, () => client.call("describeRepository", { repository }, signal));
  }

  forget(repository: RepositoryName): void {
    this.#parts.memo.forget(repository);
  }

  /** Of a namespace, in the order in which their keys are listed. */
  async repositories(namespace: string | undefined): Promise<RepositoryName[]> {
    const { caller, memo } = this.#parts;
    const known = await memo.get(`${caller} list ${namespace ?? "*"}`, MEMO_MS, () => this.#listAll(namespace));
    const pending = [];
    for (const { repository } of this.#parts.pending.list()) {
      const isOfIt = namespace === undefined || repository.startsWith(`${namespace}/`);
      if (isOfIt && !known.includes(repository) && (await this.may("push", repository))) pending.push(repository);
    }
    return [...new Set([...known, ...pending])].sort((a, b) => compareKeys(`${a}/`, `${b}/`));
  }

  async #listAll(namespace: string | undefined): Promise<RepositoryName[]> {
    const found: RepositoryName[] = [];
    for (let cursor: string | undefined; ; ) {
      const page = await this.catalog.list({ namespace, search: undefined, cursor, limit: REPOSITORY_PAGE });
      found.push(...page.repositories.map(({ repository }) => repository));
      if (page.next === null) return found;
      cursor = page.next;
    }
  }

  /** Null: the key names no repository. */
  async place({ bucket, key }: S3Target): Promise<(KeyPlace & { repository: RepositoryName }) | null> {
    const parts = splitKey(key);
    if (parts === null) return null;
    const repository = RepositoryName.safeParse(`${bucket}/${parts.name}`);
    if (!repository.success) return null;
    const names = await this.names(repository.data);
    const isRef = (text: string) =>
      names !== null && (Object.hasOwn(names.branches, text) || Object.hasOwn(names.tags, text))
        ? true
        : this.#parts.pending.list(repository.data).some(({ branch }) => branch === text);
    return { ...placeOf(parts, isRef), repository: repository.data };
  }

  async branch(repository: RepositoryName, ref: string | null): Promise<Branch> {
    const named = ref ?? DEFAULT_BRANCH;
    const snapshot = await this.snapshot(repository, named);
    const pending = this.#parts.pending.find(repository, named);
    const isSeen = pending !== null && pending.changes.size > 0 && (await this.may("push", repository));
    return { repository, ref: named, snapshot, pending: isSeen ? pending : null };
  }
}

export function fileOf(snapshot: Snapshot, { path, size, sha256 }: CatalogFile): S3File {
  return { path, size, sha256, atMs: Date.parse(snapshot.revision.time), snapshot, change: null };
}

/** The file that a reader finds there; null: none. */
export function findFile({ snapshot, pending }: Branch, path: string): S3File | null {
  const change = pending?.changes.get(path);
  if (change !== undefined) return change.kind === "remove" ? null : ofChange(change);
  const file = snapshot?.find(path) ?? null;
  return file === null || snapshot === null ? null : fileOf(snapshot, file);
}

function ofChange(change: Change & { kind: "put" | "copy" }): S3File {
  const { path, size, sha256, atMs } = change;
  return { path, size, sha256, atMs, snapshot: null, change };
}

const listed = new WeakMap<Snapshot, Map<string, readonly S3File[]>>();
const EMPTY: readonly S3File[] = [];

/** All files, in the order of their paths' bytes. */
export function filesOf({ snapshot, pending }: Branch): readonly S3File[] {
  const version = pending === null ? "" : `${pending.branch} ${pending.version}`;
  const known = snapshot === null ? undefined : listed.get(snapshot)?.get(version);
  if (known !== undefined) return known;
  const files = merged(snapshot, pending);
  if (snapshot !== null) listed.set(snapshot, new Map([[version, files]]));
  return files;
}

function merged(snapshot: Snapshot | null, pending: PendingBranch | null): readonly S3File[] {
  const changes = pending?.changes ?? new Map<string, Change>();
  const kept = snapshot === null ? [] : snapshot.files.filter(({ path }) => !changes.has(path)).map((file) => fileOf(snapshot, file));
  const changed = [...changes.values()].flatMap((change) => (change.kind === "remove" ? [] : [ofChange(change)]));
  if (kept.length + changed.length === 0) return EMPTY;
  return [...kept, ...changed].sort((a, b) => compareKeys(a.path, b.path));
}

/** The branch that a key's ref names for writing. Throws S3Refusal. */
export function branchName(ref: string | null): RefName {
  const parsed = RefName.safeParse(ref ?? DEFAULT_BRANCH);
  if (parsed.success) return parsed.data;
  throw new S3Refusal("InvalidArgument", "what is uploaded goes to a branch, not to a revision");
}

async function orNull<T>(work: Promise<T>): Promise<T | null> {
  try {
    return await work;
  } catch (error) {
    const isMissing = error instanceof FerryError && ["REPOSITORY_UNKNOWN", "REF_UNKNOWN", "REVISION_UNKNOWN"].includes(error.code);
    if (isMissing) return null;
    throw error;
  }
}

/** As a multipart upload's is, so that nobody takes it for an MD5: the beginning of the content's SHA-256. */
export function etagOf({ sha256 }: { sha256: Digest }): string {
  return `"${sha256.slice(0, 32)}-1"`;
}
