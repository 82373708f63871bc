/**
 * The index ports in memory: real implementations for domain tests, held to test/suites/metadata.ts like those on Redis.
 * Answers are copies, so nobody changes the index by changing an answer.
 */
import { repositoryOf, revisionOf, tokenOf } from "../../functions/metadata/entries.ts";
import type {
  ChunkEntry,
  ChunkIndex,
  Clock,
  LogHead,
  Proof,
  RepositoryIndex,
  RevisionEntry,
  SystemIndex,
  TokenEntry,
  UploadKey,
  Uploads,
} from "../../functions/registry/ports.ts";
import type { RepositoryRecord, SystemRecord } from "../../functions/registry/records.ts";
import type { Refs, RepositoryId, RepositorySummary } from "../../shared/contract/repositories.ts";
import type { Digest } from "../../shared/digest.ts";
import { FerryError } from "../../shared/errors.ts";
import type { OperationId, RefName, RepositoryName, RevisionId } from "../../shared/names.ts";
import { MemoryLog } from "./memory-log.ts";

const UPLOAD_TTL_MS = 24 * 3_600_000;

type SystemState = { names: Map<RepositoryName, RepositorySummary>; tokens: Map<Digest, TokenEntry> };

export class MemorySystemIndex implements SystemIndex {
  readonly log = new MemoryLog<SystemState, SystemRecord>(() => ({ names: new Map(), tokens: new Map() }), foldSystem);

  async head(): Promise<LogHead | null> {
    return this.log.head();
  }

  async begin(tailSeq: number): Promise<void> {
    this.log.begin(tailSeq);
  }

  async apply(record: SystemRecord, hash: Digest): Promise<void> {
    this.log.apply(record, hash);
  }

  async findRepository(name: RepositoryName): Promise<RepositorySummary | null> {
    return structuredClone(this.log.read("names").state.names.get(name) ?? null);
  }

  async namesOf(ids: readonly RepositoryId[]): Promise<Map<RepositoryId, RepositoryName>> {
    const wanted = new Set(ids);
    const summaries = [...this.log.read("names").state.names.values()];
    return new Map(summaries.filter((summary) => wanted.has(summary.id)).map((summary) => [summary.id, summary.repository]));
  }

  async listRepositories(query: { after?: string | undefined; limit: number }): Promise<RepositorySummary[]> {
    const names = this.log.read("names", "order").state.names;
    const sorted = [...names.values()].sort((a, b) => (a.repository < b.repository ? -1 : 1));
    return structuredClone(sorted.filter((summary) => summary.repository > (query.after ?? "")).slice(0, query.limit));
  }

  async findToken(hash: Digest): Promise<TokenEntry | null> {
    return structuredClone(this.log.read("tokens").state.tokens.get(hash) ?? null);
  }

  async listTokens(): Promise<TokenEntry[]> {
    return structuredClone([...this.log.read("tokens").state.tokens.values()]);
  }

  async findOperation(operationId: OperationId): Promise<number | null> {
    return this.log.findOperation(operationId);
  }
}

function foldSystem(state: SystemState, record: SystemRecord): void {
  switch (record.op) {
    case "repository.create":
      removeRepository(state, record.repositoryId);
      state.names.set(record.repository, repositoryOf(record));
      return;
    case "repository.delete":
      removeRepository(state, record.repositoryId);
      return;
    case "token.create":
      state.tokens.set(record.tokenHash, tokenOf(record));
      return;
    case "token.revoke":
      for (const token of state.tokens.values()) if (token.id === record.tokenId) token.revokedAt ??= record.at;
      return;
    default:
      record satisfies never;
  }
}

function removeRepository(state: SystemState, id: RepositoryId): void {
  for (const [name, summary] of state.names) if (summary.id === id) state.names.delete(name);
}

type RepositoryState = { branches: Map<RefName, RevisionId>; tags: Map<RefName, RevisionId>; revisions: Map<RevisionId, RevisionEntry> };

export class MemoryRepositoryIndex implements RepositoryIndex {
  readonly logs = new Map<string, MemoryLog<RepositoryState, RepositoryRecord>>();

  async head(id: RepositoryId): Promise<LogHead | null> {
    return this.logs.get(id)?.head() ?? null;
  }

  async begin(id: RepositoryId, tailSeq: number): Promise<void> {
    const log = this.logs.get(id) ?? new MemoryLog<RepositoryState, RepositoryRecord>(emptyRepository, foldRepository);
    this.logs.set(id, log);
    log.begin(tailSeq);
  }

  async apply(record: RepositoryRecord, hash: Digest): Promise<void> {
    this.#log(record.repositoryId).apply(record, hash);
  }

  async refs(id: RepositoryId): Promise<Refs & { seq: number; revisionCount: number }> {
    const { seq, state } = this.#log(id).read();
    const { branches, tags, revisions } = state;
    return { seq, revisionCount: revisions.size, branches: Object.fromEntries(branches), tags: Object.fromEntries(tags) };
  }

  async findRevision(id: RepositoryId, revision: RevisionId): Promise<RevisionEntry | null> {
    return structuredClone(this.#log(id).read("revisions").state.revisions.get(revision) ?? null);
  }

  async resolveName(id: RepositoryId, name: RefName): Promise<RevisionId | null> {
    const { branches, tags } = this.#log(id).read().state;
    return branches.get(name) ?? tags.get(name) ?? null;
  }

  async listRevisions(
    id: RepositoryId,
    query: { branch?: RefName | undefined; before?: number | undefined; limit: number },
  ): Promise<RevisionEntry[]> {
    const { branch, before = Number.POSITIVE_INFINITY, limit } = query;
    const all = [...this.#log(id).read("revisions", "order").state.revisions.values()].sort((a, b) => b.seq - a.seq);
    return structuredClone(all.filter((e) => e.seq < before && (branch === undefined || e.branch === branch)).slice(0, limit));
  }

  async findOperation(id: RepositoryId, operationId: OperationId): Promise<number | null> {
    return this.#log(id).findOperation(operationId);
  }

  #log(id: RepositoryId): MemoryLog<RepositoryState, RepositoryRecord> {
    const log = this.logs.get(id);
    if (log === undefined) throw new FerryError("INDEX_REBUILDING");
    return log;
  }
}

function emptyRepository(): RepositoryState {
  return { branches: new Map(), tags: new Map(), revisions: new Map() };
}

function foldRepository(state: RepositoryState, record: RepositoryRecord): void {
  switch (record.op) {
    case "commit":
      state.branches.set(record.branch, record.revision);
      if (!state.revisions.has(record.revision)) state.revisions.set(record.revision, revisionOf(record));
      return;
    case "tag":
      state.tags.set(record.tag, record.revision);
      return;
    case "untag":
      state.tags.delete(record.tag);
      return;
    case "unbranch":
      state.branches.delete(record.branch);
      return;
    default:
      record satisfies never;
  }
}

export class MemoryChunkIndex implements ChunkIndex {
  readonly entries = new Map<Digest, ChunkEntry>();

  async find(digests: readonly Digest[]): Promise<(ChunkEntry | null)[]> {
    return digests.map((digest) => structuredClone(this.entries.get(digest) ?? null));
  }

  async add(entries: readonly (ChunkEntry & { sha256: Digest })[]): Promise<void> {
    for (const { sha256, ...entry } of entries) this.entries.set(sha256, structuredClone(entry));
  }
}

type UploadState = { proofs: Map<Digest, Proof>; recipes: Set<Digest>; untilMs: number };

export class MemoryUploads implements Uploads {
  readonly uploads = new Map<string, UploadState>();
  readonly unfinished = new Map<string, { upload: string; untilMs: number }>();
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async proofs(uploadId: string, digests: readonly Digest[]): Promise<(Proof | null)[]> {
    const proofs = this.#touch(uploadId)?.proofs;
    return digests.map((digest) => structuredClone(proofs?.get(digest) ?? null));
  }

  async record(uploadId: string, proofs: ReadonlyMap<Digest, Proof>): Promise<void> {
    const state = this.#open(uploadId);
    for (const [digest, proof] of proofs) state.proofs.set(digest, structuredClone(proof));
  }

  async addRecipes(uploadId: string, recipes: readonly Digest[]): Promise<void> {
    const state = this.#open(uploadId);
    for (const recipe of recipes) state.recipes.add(recipe);
  }

  async missingRecipes(uploadId: string, recipes: readonly Digest[]): Promise<Digest[]> {
    const known = this.#touch(uploadId)?.recipes;
    return recipes.filter((recipe) => known?.has(recipe) !== true);
  }

  async current(key: UploadKey): Promise<string | null> {
    const kept = this.unfinished.get(nameOf(key));
    if (kept === undefined || kept.untilMs <= this.#clock.now()) return null;
    kept.untilMs = this.#clock.now() + UPLOAD_TTL_MS;
    return kept.upload;
  }

  async remember(key: UploadKey, upload: string): Promise<void> {
    this.unfinished.set(nameOf(key), { upload, untilMs: this.#clock.now() + UPLOAD_TTL_MS });
  }

  async forget(key: UploadKey): Promise<void> {
    this.unfinished.delete(nameOf(key));
  }

  #open(uploadId: string): UploadState {
    const state = this.#touch(uploadId) ?? { proofs: new Map(), recipes: new Set(), untilMs: this.#clock.now() + UPLOAD_TTL_MS };
    this.uploads.set(uploadId, state);
    return state;
  }

  #touch(uploadId: string): UploadState | null {
    const state = this.uploads.get(uploadId);
    if (state === undefined || state.untilMs <= this.#clock.now()) return null;
    state.untilMs = this.#clock.now() + UPLOAD_TTL_MS;
    return state;
  }
}

function nameOf(key: UploadKey): string {
  return `${key.repositoryId}:${key.branch}:${key.principal}`;
}

export type MemoryIndexes = {
  system: MemorySystemIndex;
  repositories: MemoryRepositoryIndex;
  chunks: MemoryChunkIndex;
  uploads: MemoryUploads;
  /** As if Redis were new. */
  wipe(): void;
  /** As if one key had vanished. Spelled as in functions/metadata/keys.ts without the prefix: `sys`, `sys:names`, `repo:<id>:order`, … */
  loseKey(key: string): void;
  /** Returns what rolls both logs' indexes back to now, consistently: only a comparison with the bucket can find that. */
  snapshot(): () => void;
};

export function memoryIndexes({ clock }: { clock: Clock }): MemoryIndexes {
  const indexes = {
    system: new MemorySystemIndex(),
    repositories: new MemoryRepositoryIndex(),
    chunks: new MemoryChunkIndex(),
    uploads: new MemoryUploads(clock),
  };
  return {
    ...indexes,
    wipe: () => wipe(indexes),
    loseKey: (key) => loseKey(indexes, key),
    snapshot: () => snapshot(indexes),
  };
}

type Parts = Pick<MemoryIndexes, "system" | "repositories" | "chunks" | "uploads">;

function wipe({ system, repositories, chunks, uploads }: Parts): void {
  system.log.lose("head");
  repositories.logs.clear();
  chunks.entries.clear();
  uploads.uploads.clear();
  uploads.unfinished.clear();
}

function loseKey(parts: Parts, key: string): void {
  const [kind, name = "", part] = key.split(":");
  if (kind === "sys") parts.system.log.lose(name === "" ? "head" : name);
  else if (kind === "repo") parts.repositories.logs.get(name)?.lose(part ?? "head");
  else if (kind === "chunks")
    for (const digest of parts.chunks.entries.keys()) digest.startsWith(name) && parts.chunks.entries.delete(digest);
  else if (kind === "upload" && part === "recipes") parts.uploads.uploads.get(name)?.recipes.clear();
  else if (kind === "upload") parts.uploads.uploads.get(name)?.proofs.clear();
  else if (kind === "upload-of") parts.uploads.unfinished.delete(key.slice("upload-of:".length));
  else throw new RangeError(`${key} is no key of the index`);
}

function snapshot({ system, repositories }: Parts): () => void {
  const undos = [system.log.snapshot(), ...[...repositories.logs.values()].map((log) => log.snapshot())];
  const known = new Set(repositories.logs.keys());
  return () => {
    for (const undo of undos) undo();
    for (const id of repositories.logs.keys()) if (!known.has(id)) repositories.logs.delete(id);
  };
}
