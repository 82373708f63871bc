/**
 * What one caller may read, as the doors want it: names and manifests by the registry's API with that caller's token, bytes by way of this
 * agent's cache. Nothing is answered to a token that the registry has not let in a moment ago, however much of it lies here.
 *
 * What a revision's id names does not change: its manifest and recipes are kept for all callers, while each caller's right is asked for
 * again after RIGHTS_MS. When the registry can't be reached, what a caller was told last stays good for him for OFFLINE_MS.
 */
import { createHash } from "node:crypto";
import { MemoryCache } from "../../functions/cache.ts";
import type { Catalog, CatalogFile, CatalogRevision, Names, Person, Snapshot, Source } from "../../functions/doors/catalog.ts";
import type { FerryClient } from "../../shared/client.ts";
import type { RevisionPage, RevisionSummary } from "../../shared/contract/repositories.ts";
import { Digest } from "../../shared/digest.ts";
import { FerryError } from "../../shared/errors.ts";
import { type ContentEntry, contentEntries, parseManifest } from "../../shared/manifest.ts";
import { RefName, RepositoryName, RevisionId } from "../../shared/names.ts";
import { type ByteRange, type Extent, piecesOf } from "../../shared/ranges.ts";
import { encodeRecipe, type Recipe, recipeDigest } from "../../shared/recipe.ts";
import { MiB } from "../../shared/units.ts";
import type { ChunkAccess } from "./chunk-access.ts";
import type { Wanted } from "./origin.ts";

const RIGHTS_MS = 10_000;
const OFFLINE_MS = 3_600_000;
const MEMORY_BYTES = 64 * MiB;
const FILE_BYTES = 300;
const EXTENT_BYTES = 100;
const ANSWERS_MAX = 10_000;
/** Chunks that are let come while one is read. */
const AHEAD_CHUNKS = 2;
const PATIENCE_MS = 120_000;

type Answer = { value: unknown; atMs: number };
type Files = { files: readonly ContentEntry[]; byPath: ReadonlyMap<string, ContentEntry> };
type OwnSnapshot = Snapshot & { entry(path: string): ContentEntry | null };

/** What all callers of an agent share. */
export class CatalogMemory {
  readonly content = new MemoryCache(MEMORY_BYTES);
  readonly #answers = new Map<string, Answer>();
  readonly #flying = new Map<string, Promise<unknown>>();
  readonly #nowMs: () => number;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** An answer to one caller, asked for again when it is older. Many who ask at once ask once. @param key names the caller, too. */
  async answer<T>(key: string, goodMs: number, ask: () => Promise<T>): Promise<T> {
    const known = this.#answers.get(key);
    if (known !== undefined && this.#nowMs() - known.atMs < goodMs) return known.value as T;
    const under = this.#flying.get(key);
    if (under !== undefined) return under as Promise<T>;
    const asking = this.#ask(key, known, ask).finally(() => this.#flying.delete(key));
    this.#flying.set(key, asking);
    return asking;
  }

  async #ask<T>(key: string, known: Answer | undefined, ask: () => Promise<T>): Promise<T> {
    try {
      const value = await ask();
      this.#answers.delete(key);
      this.#answers.set(key, { value, atMs: this.#nowMs() });
      const [oldest] = this.#answers.keys();
      if (this.#answers.size > ANSWERS_MAX && oldest !== undefined) this.#answers.delete(oldest);
      return value;
    } catch (error) {
      const isUnreachable = error instanceof FerryError && error.code === "ENDPOINT_UNREACHABLE";
      if (isUnreachable && known !== undefined && this.#nowMs() - known.atMs < OFFLINE_MS) return known.value as T;
      // Who may no longer is not let in later, either, when the registry is away.
      if (!isUnreachable) this.#answers.delete(key);
      throw error;
    }
  }
}

export type CatalogParts = { client: FerryClient; token: string; memory: CatalogMemory; chunks: ChunkAccess; signal: AbortSignal };

export class ApiCatalog implements Catalog {
  /** How long a reader may have to wait: a part of a chunk comes when the chunk is whole. */
  readonly patienceMs = PATIENCE_MS;
  readonly #parts: CatalogParts;
  readonly #caller: string;
  #person: Person = { name: "", isRobot: true, mayWrite: false, namespaces: [] };

  constructor(parts: CatalogParts) {
    this.#parts = parts;
    this.#caller = createHash("sha256").update(parts.token).digest("hex");
  }

  /** Finds out who the caller is; until then `person` is nobody. Throws TOKEN_INVALID. */
  async meet(): Promise<this> {
    const told = await this.#answer("whoami", RIGHTS_MS, () => this.#parts.client.call("whoAmI", {}, this.#parts.signal));
    const namespaces = told.scopes.flatMap(({ repositories }) => /^([A-Za-z0-9._-]+)\//.exec(repositories)?.[1] ?? []);
    const mayWrite = told.scopes.some(({ actions }) => actions.includes("push") || actions.includes("admin"));
    const isRobot = told.kind !== "person" && told.kind !== "session";
    this.#person = { name: told.name, isRobot, mayWrite, namespaces: [...new Set(namespaces)] };
    return this;
  }

  get person(): Person {
    return this.#person;
  }

  async snapshot(repository: RepositoryName, ref: string): Promise<OwnSnapshot> {
    const goodMs = RevisionId.safeParse(ref).success ? RIGHTS_MS : 0;
    const [{ createdAt }, revision] = await Promise.all([
      this.#unblocked(repository),
      this.#answer(`resolve ${repository} ${ref}`, goodMs, () =>
        this.#parts.client.call("resolve", { repository, params: { ref } }, this.#parts.signal),
      ),
    ]);
    const { files, byPath } = await this.#filesOf(repository, revision);
    const entry = (path: string) => byPath.get(path) ?? null;
    return { repository, createdAt, revision: revisionOf(revision), files, find: entry, entry };
  }

  async names(repository: RepositoryName): Promise<Names> {
    return (await this.#describe(repository, 0)).refs;
  }

  /** Reading only: who wants to write asks the registry itself. */
  async demand(repository: RepositoryName, action: "pull" | "push"): Promise<void> {
    await this.#describe(repository, RIGHTS_MS);
    if (action === "push") throw new FerryError("PERMISSION_DENIED", { action, repository });
  }

  async history(repository: RepositoryName, ref: string, { cursor, limit }: { cursor: string | undefined; limit: number }) {
    const { client, signal } = this.#parts;
    const { branch, seq } = await client.call("resolve", { repository, params: { ref } }, signal);
    const revisions: CatalogRevision[] = [];
    let next: string | null = cursor ?? String(seq + 1);
    while (next !== null && revisions.length < limit) {
      const query: { branch: RefName; cursor: string; limit: number } = {
        branch: RefName.parse(branch),
        cursor: next,
        limit: limit - revisions.length,
      };
      const page: RevisionPage = await client.call("listRevisions", { repository, query }, signal);
      revisions.push(...page.revisions.filter(({ deletedAt }) => deletedAt === null).map(revisionOf));
      next = page.next;
    }
    return { revisions, next, total: revisions.length };
  }

  async list({ namespace, search, cursor, limit }: Parameters<Catalog["list"]>[0]) {
    const query = { ...(namespace === undefined ? {} : { namespace }), ...(cursor === undefined ? {} : { cursor }), limit };
    const page = await this.#parts.client.call("listRepositories", { query }, this.#parts.signal);
    const wanted = search?.toLowerCase();
    const repositories = page.repositories.filter(({ repository }) => wanted === undefined || repository.toLowerCase().includes(wanted));
    return { repositories, next: page.next };
  }

  /** Never: bytes come by way of the cache. */
  async link(): Promise<null> {
    return null;
  }

  async pieces(snapshot: OwnSnapshot, { path }: CatalogFile, range: ByteRange): Promise<Extent<Source>[]> {
    const entry = snapshot.entry(path);
    if (entry === null) throw new FerryError("FILE_UNKNOWN", { revision: snapshot.revision.id, path });
    const pieces = piecesOf(await this.#extentsOf(snapshot, entry), range);
    const coming = [...new Set(pieces.map(({ of }) => of))].slice(0, AHEAD_CHUNKS);
    this.#parts.chunks.ahead(coming.map(wantedOf));
    return pieces;
  }

  /**
   * A whole chunk that is not here yet comes as it is fetched, for its reader hashes it (functions/doors/concatenate.ts). All else comes of a
   * file that this process has seen to be right, and is not hashed again for each reader.
   */
  async open(source: Source, range: { offset: number; length: number }, signal: AbortSignal): Promise<ReadableStream<Uint8Array>> {
    const isHashed = source.sha256 !== null && range.offset === 0 && range.length === source.sizeBytes;
    return this.#parts.chunks.read(wantedOf(source), range, { checks: isHashed ? "self" : "agent", signal });
  }

  startHash() {
    const hash = createHash("sha256");
    return {
      update: (bytes: Uint8Array) => void hash.update(bytes),
      digest: async () => Digest.parse(hash.digest("hex")),
    };
  }

  async #unblocked(repository: RepositoryName): Promise<{ createdAt: string }> {
    const described = await this.#describe(repository, RIGHTS_MS);
    const { blocked } = described;
    if (blocked !== null) throw new FerryError("REPOSITORY_BLOCKED", { repository, at: blocked.at, reason: blocked.reason });
    return described;
  }

  #describe(repository: RepositoryName, goodMs: number) {
    const { client, signal } = this.#parts;
    return this.#answer(`describe ${repository}`, goodMs, () => client.call("describeRepository", { repository }, signal));
  }

  #answer<T>(what: string, goodMs: number, ask: () => Promise<T>): Promise<T> {
    return this.#parts.memory.answer(`${this.#caller} ${what}`, goodMs, ask);
  }

  async #filesOf(repository: RepositoryName, { revision, manifest }: RevisionSummary): Promise<Files> {
    const { client, memory, signal } = this.#parts;
    const key = `manifest ${manifest}`;
    const known = memory.content.get<Files>(key);
    if (known !== undefined) return known;
    const answer = await client.call("manifest", { repository, params: { ref: revision } }, signal);
    const files = contentEntries(await parseManifest(answer.manifest, manifest));
    const made = { files, byPath: new Map(files.map((file) => [file.path, file])) };
    memory.content.set(key, made, FILE_BYTES * files.length);
    return made;
  }

  async #extentsOf(snapshot: OwnSnapshot, { chunk, recipe: digest, size }: ContentEntry): Promise<Extent<Source>[]> {
    const source = (sha256: Digest, sizeBytes: number): Source => {
      const named = { id: idOf(snapshot, sha256), sizeBytes, sha256 };
      return this.#parts.chunks.has(wantedOf(named)) ? { ...named, sha256: null } : named;
    };
    if (size === 0) return [];
    if (chunk !== undefined) return [{ of: source(chunk, size), offset: 0, length: size }];
    if (digest === undefined) return [];
    const recipe = await this.#recipe(snapshot, digest);
    const sources = recipe.chunks.map(([sha256, sizeBytes]) => source(sha256, sizeBytes));
    return recipe.extents.flatMap(([at, offset, length]) => {
      const of = sources[at];
      return of === undefined ? [] : [{ of, offset, length }];
    });
  }

  async #recipe({ repository, revision }: Snapshot, digest: Digest): Promise<Recipe> {
    const { client, memory, signal } = this.#parts;
    const key = `recipe ${digest}`;
    const known = memory.content.get<Recipe>(key);
    if (known !== undefined) return known;
    const body = { recipes: [digest] };
    const [recipe] = (await client.call("readRecipes", { repository, params: { ref: revision.id }, body }, signal)).recipes;
    if (recipe === undefined || (await recipeDigest(encodeRecipe(recipe))) !== digest) {
      throw new FerryError("DIGEST_INVALID", { what: "a recipe", expected: digest });
    }
    memory.content.set(key, recipe, EXTENT_BYTES * (recipe.chunks.length + recipe.extents.length));
    return recipe;
  }
}

/** A chunk is read by way of a revision that has it. */
function idOf({ repository, revision }: Snapshot, sha256: Digest): string {
  return `${repository} ${revision.id} ${sha256}`;
}

/** The chunk that a source is. */
export function wantedOf({ id, sizeBytes }: Source): Wanted {
  const [repository, revision, sha256] = id.split(" ");
  return {
    sha256: Digest.parse(sha256),
    size: sizeBytes,
    repository: RepositoryName.parse(repository),
    revision: RevisionId.parse(revision),
  };
}

function revisionOf({ revision, message, time, author }: RevisionSummary): CatalogRevision {
  return { id: revision, message, time, author };
}
