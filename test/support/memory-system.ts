/** The index of the deployment's log in memory. Answers are copies. */
import { blockOf, grantOf, keyOf, repositoryOf, tokenOf } from "../../functions/metadata/entries.ts";
import type {
  Directory,
  FoundOperation,
  Hashed,
  LogHead,
  Standing,
  SystemIndex,
  TokenEntry,
  TrashedRepository,
} from "../../functions/registry/ports.ts";
import type { SystemRecord } from "../../functions/registry/records.ts";
import type { StoredHooks } from "../../shared/contract/hooks.ts";
import type { UserGrant } from "../../shared/contract/people.ts";
import type { RepositoryId, RepositorySummary } from "../../shared/contract/repositories.ts";
import type { SigningKey } from "../../shared/contract/signatures.ts";
import type { Digest } from "../../shared/digest.ts";
import type { OperationId, RepositoryName } from "../../shared/names.ts";
import { MemoryLog } from "./memory-log.ts";

type SystemState = {
  names: Map<RepositoryName, RepositorySummary>;
  moved: Map<RepositoryName, RepositoryId>;
  trash: Map<RepositoryId, TrashedRepository>;
  tokens: Map<string, TokenEntry>;
  standing: Standing;
  hooks: StoredHooks;
  keys: Map<string, SigningKey>;
  grants: Map<string, UserGrant>;
};

/** Told of each record when it is applied. */
type Tell = (record: SystemRecord) => void;

export class MemorySystemIndex implements SystemIndex {
  readonly log: MemoryLog<SystemState, SystemRecord>;
  readonly #tell: Tell;
  readonly #fence: number;

  constructor(
    tell: Tell = () => {},
    log: MemoryLog<SystemState, SystemRecord> = new MemoryLog<SystemState, SystemRecord>(
      () => ({
        names: new Map(),
        moved: new Map(),
        trash: new Map(),
        tokens: new Map(),
        standing: { policies: [], home: null },
        hooks: { webhooks: [], sources: [] },
        keys: new Map(),
        grants: new Map(),
      }),
      foldSystem,
    ),
    fence = 0,
  ) {
    this.#tell = tell;
    this.log = log;
    this.#fence = fence;
  }

  atLeast(seq: number): MemorySystemIndex {
    return new MemorySystemIndex(this.#tell, this.log, seq);
  }

  async head(): Promise<LogHead | null> {
    return this.log.head();
  }

  async begin(tailSeq: number): Promise<LogHead> {
    return this.log.begin(tailSeq);
  }

  async apply(record: SystemRecord, hash: Digest): Promise<void> {
    if (this.log.apply(record, hash)) this.#tell(record);
  }

  async applyMany(records: readonly Hashed<SystemRecord>[]): Promise<void> {
    for (const { record, hash } of records) await this.apply(record, hash);
  }

  async findRepository(name: RepositoryName): Promise<RepositorySummary | null> {
    return structuredClone(this.log.read(this.#fence, "names").state.names.get(name) ?? null);
  }

  async namesOf(ids: readonly RepositoryId[]): Promise<Map<RepositoryId, RepositoryName>> {
    const wanted = new Set(ids);
    const summaries = [...this.log.read(this.#fence, "names").state.names.values()];
    return new Map(
      summaries.filter(({ id, blocked }) => wanted.has(id) && blocked === null).map((summary) => [summary.id, summary.repository]),
    );
  }

  async findMoved(name: RepositoryName): Promise<RepositoryName | null> {
    const { moved, names } = this.log.read(this.#fence, "names").state;
    const id = moved.get(name);
    return [...names.values()].find((summary) => summary.id === id)?.repository ?? null;
  }

  async findTrashed(id: RepositoryId): Promise<TrashedRepository | null> {
    return structuredClone(this.log.read(this.#fence, "names").state.trash.get(id) ?? null);
  }

  async listTrash(query: { after?: string | undefined; limit: number }): Promise<TrashedRepository[]> {
    return page([...this.log.read(this.#fence, "names", "order").state.trash.values()], (entry) => entry.id, query);
  }

  async listRepositories(query: { after?: string | undefined; limit: number }): Promise<RepositorySummary[]> {
    return page([...this.log.read(this.#fence, "names", "order").state.names.values()], (entry) => entry.repository, query);
  }

  async findToken(hash: Digest): Promise<TokenEntry | null> {
    const tokens = [...this.log.read(this.#fence, "tokens").state.tokens.values()];
    return structuredClone(tokens.find(({ secrets }) => secrets.some((secret) => secret.hash === hash)) ?? null);
  }

  async findTokenById(id: string): Promise<TokenEntry | null> {
    return structuredClone(this.log.read(this.#fence, "tokens").state.tokens.get(id) ?? null);
  }

  async listTokens(): Promise<TokenEntry[]> {
    return structuredClone([...this.log.read(this.#fence, "tokens").state.tokens.values()]);
  }

  async directory(): Promise<Directory> {
    const { keys, grants } = this.log.read(this.#fence).state;
    const sorted = <T extends { id: string }>(entries: Iterable<T>) => [...entries].sort((a, b) => (a.id < b.id ? -1 : 1));
    return structuredClone({ keys: sorted(keys.values()), grants: sorted(grants.values()) });
  }

  async standing(): Promise<Standing> {
    return structuredClone(this.log.read(this.#fence).state.standing);
  }

  async hooks(): Promise<StoredHooks> {
    return structuredClone(this.log.read(this.#fence).state.hooks);
  }

  async findOperation(operationId: OperationId): Promise<FoundOperation> {
    return this.log.findOperation(this.#fence, operationId);
  }
}

function page<T>(entries: T[], keyOf: (entry: T) => string, query: { after?: string | undefined; limit: number }): T[] {
  const sorted = entries.sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
  return structuredClone(sorted.filter((entry) => keyOf(entry) > (query.after ?? "")).slice(0, query.limit));
}

function foldSystem(state: SystemState, record: SystemRecord): void {
  switch (record.op) {
    case "policies":
      state.standing.policies = record.policies;
      return;
    case "hooks":
      state.hooks = { webhooks: record.webhooks, sources: record.sources };
      return;
    case "promote":
      state.standing.home = { store: record.store, epoch: record.epoch };
      return;
    case "repository.create":
      takeLiving(state, record.repositoryId);
      state.trash.delete(record.repositoryId);
      put(state, repositoryOf(record));
      return;
    case "repository.delete": {
      const summary = takeLiving(state, record.repositoryId);
      if (summary !== null) state.trash.set(summary.id, { ...summary, deletedAt: record.at, deletedBy: record.actor });
      return;
    }
    case "repository.restore": {
      const trashed = state.trash.get(record.repositoryId);
      if (trashed === undefined) return;
      const { deletedAt: _, deletedBy: __, ...summary } = trashed;
      state.trash.delete(record.repositoryId);
      put(state, { ...summary, repository: record.repository });
      return;
    }
    case "repository.rename": {
      const summary = takeLiving(state, record.repositoryId);
      if (summary === null) return;
      state.moved.set(summary.repository, summary.id);
      put(state, { ...summary, repository: record.repository });
      return;
    }
    case "repository.purge":
      state.trash.delete(record.repositoryId);
      return;
    case "repository.block":
    case "repository.unblock":
      for (const summary of state.names.values()) {
        if (summary.id === record.repositoryId) summary.blocked = record.op === "repository.block" ? blockOf(record) : null;
      }
      return;
    case "token.create":
      state.tokens.set(record.tokenId, tokenOf(record));
      return;
    case "token.rotate":
      rotate(state.tokens.get(record.tokenId), record);
      return;
    case "token.revoke":
      for (const token of state.tokens.values()) if (token.id === record.tokenId) token.revokedAt ??= record.at;
      return;
    default:
      foldDirectory(state, record);
  }
}

type DirectoryRecord = Extract<SystemRecord, { op: "key.add" | "key.revoke" | "user.grant" | "user.revoke" }>;

function foldDirectory(state: SystemState, record: DirectoryRecord): void {
  switch (record.op) {
    case "key.add":
      if (!state.keys.has(record.keyId)) state.keys.set(record.keyId, keyOf(record));
      return;
    case "key.revoke":
      for (const key of state.keys.values()) if (key.id === record.keyId) key.revokedAt ??= record.at;
      return;
    case "user.grant":
      state.grants.set(record.grantId, grantOf(record));
      return;
    case "user.revoke":
      state.grants.delete(record.grantId);
      return;
    default:
      record satisfies never;
  }
}

function rotate(token: TokenEntry | undefined, { tokenHash, previousUntil, at }: Extract<SystemRecord, { op: "token.rotate" }>): void {
  if (token === undefined) return;
  token.rotatedAt = at;
  const older = token.secrets
    .map(({ hash, until }) => ({ hash, until: until === null || until > previousUntil ? previousUntil : until }))
    .filter(({ hash, until }) => until > at && hash !== tokenHash);
  token.secrets = [{ hash: tokenHash, until: null }, ...older].slice(0, 8);
}

function put(state: SystemState, summary: RepositorySummary): void {
  state.names.set(summary.repository, summary);
  state.moved.delete(summary.repository);
}

function takeLiving(state: SystemState, id: RepositoryId): RepositorySummary | null {
  for (const [name, summary] of state.names) {
    if (summary.id !== id) continue;
    state.names.delete(name);
    return summary;
  }
  return null;
}
