/** The indexes of the repositories' logs in memory. Answers are copies. */
import { changesOf, revisionOf, signatureOf } from "../../functions/metadata/entries.ts";
import type {
  EnvelopeFate,
  FoundOperation,
  Hashed,
  LogHead,
  RepositoryIndex,
  RepositoryState,
  RevisionEntry,
  SignatureEntry,
} from "../../functions/registry/ports.ts";
import type { RepositoryRecord } from "../../functions/registry/records.ts";
import { deployStores } from "../../shared/contract/replication.ts";
import { type RepositoryId, RepositorySettings, type Usage } from "../../shared/contract/repositories.ts";
import type { Digest } from "../../shared/digest.ts";
import { FerryError } from "../../shared/errors.ts";
import type { OperationId, RefName, RevisionId } from "../../shared/names.ts";
import { MemoryLog } from "./memory-log.ts";

type State = {
  branches: Map<RefName, RevisionId>;
  tags: Map<RefName, { revision: RevisionId; seq: number }>;
  locked: Set<RefName>;
  settings: RepositorySettings;
  revisions: Map<RevisionId, RevisionEntry>;
  fates: Map<string, EnvelopeFate>;
  /** Seq of the record that names each envelope. */
  naming: Map<string, number>;
  signatures: Map<Digest, SignatureEntry[]>;
  endedSeq: number | null;
};

/** Told of each record when it is applied. */
type Tell = (record: RepositoryRecord) => void;

export class MemoryRepositoryIndex implements RepositoryIndex {
  readonly logs: Map<string, MemoryLog<State, RepositoryRecord>>;
  readonly #tell: Tell;
  readonly #fence: number;

  constructor(
    tell: Tell = () => {},
    logs: Map<string, MemoryLog<State, RepositoryRecord>> = new Map<string, MemoryLog<State, RepositoryRecord>>(),
    fence = 0,
  ) {
    this.#tell = tell;
    this.logs = logs;
    this.#fence = fence;
  }

  atLeast(seq: number): MemoryRepositoryIndex {
    return new MemoryRepositoryIndex(this.#tell, this.logs, seq);
  }

  async head(id: RepositoryId): Promise<LogHead | null> {
    return this.logs.get(id)?.head() ?? null;
  }

  heads(ids: readonly RepositoryId[]): Promise<(LogHead | null)[]> {
    return Promise.all(ids.map((id) => this.head(id)));
  }

  async begin(id: RepositoryId, tailSeq: number): Promise<LogHead> {
    const log = this.logs.get(id) ?? new MemoryLog<State, RepositoryRecord>(emptyState, fold);
    this.logs.set(id, log);
    return log.begin(tailSeq);
  }

  async apply(record: RepositoryRecord, hash: Digest): Promise<void> {
    if (this.#log(record.repositoryId).apply(record, hash)) this.#tell(record);
  }

  async applyMany(records: readonly Hashed<RepositoryRecord>[]): Promise<void> {
    for (const { record, hash } of records) await this.apply(record, hash);
  }

  async refs(id: RepositoryId): Promise<RepositoryState> {
    const { seq, state } = this.#log(id).read(this.#fence);
    const { branches, tags, locked, settings, revisions, endedSeq } = state;
    return {
      seq,
      revisionCount: [...revisions.values()].filter((entry) => entry.deletedAt === null).length,
      branches: Object.fromEntries(branches),
      tags: Object.fromEntries([...tags].map(([name, tag]) => [name, tag.revision])),
      tagSeqs: Object.fromEntries([...tags].map(([name, tag]) => [name, tag.seq])),
      lockedTags: [...locked].sort(),
      deploys: deploysOf([...revisions.values()]),
      settings: structuredClone(settings),
      usage: usageOf([...revisions.values()]),
      ended: endedSeq !== null,
    };
  }

  async envelopeFate(id: RepositoryId, attempt: string): Promise<EnvelopeFate | null> {
    const { fates, endedSeq } = this.#log(id).read(this.#fence, "revisions").state;
    return endedSeq === null ? structuredClone(fates.get(attempt) ?? null) : { state: "ended", seq: endedSeq };
  }

  async findRevision(id: RepositoryId, revision: RevisionId): Promise<RevisionEntry | null> {
    return structuredClone(this.#log(id).read(this.#fence, "revisions").state.revisions.get(revision) ?? null);
  }

  async signatures(id: RepositoryId, manifest: Digest): Promise<SignatureEntry[]> {
    return structuredClone(this.#log(id).read(this.#fence, "revisions").state.signatures.get(manifest) ?? []);
  }

  async resolveName(id: RepositoryId, name: RefName): Promise<RevisionId | null> {
    const { branches, tags } = this.#log(id).read(this.#fence).state;
    return branches.get(name) ?? tags.get(name)?.revision ?? null;
  }

  async listRevisions(
    id: RepositoryId,
    query: { branch?: RefName | undefined; before?: number | undefined; limit: number },
  ): Promise<RevisionEntry[]> {
    const { branch, before = Number.POSITIVE_INFINITY, limit } = query;
    const all = [...this.#log(id).read(this.#fence, "revisions", "order").state.revisions.values()].sort((a, b) => b.seq - a.seq);
    return structuredClone(all.filter((e) => e.seq < before && (branch === undefined || e.branch === branch)).slice(0, limit));
  }

  async findOperation(id: RepositoryId, operationId: OperationId): Promise<FoundOperation> {
    return this.#log(id).findOperation(this.#fence, operationId);
  }

  #log(id: RepositoryId): MemoryLog<State, RepositoryRecord> {
    const log = this.logs.get(id);
    if (log === undefined) throw new FerryError("INDEX_REBUILDING");
    return log;
  }
}

function emptyState(): State {
  const settings = RepositorySettings.parse({});
  return {
    branches: new Map(),
    tags: new Map(),
    locked: new Set(),
    settings,
    revisions: new Map(),
    fates: new Map(),
    naming: new Map(),
    signatures: new Map(),
    endedSeq: null,
  };
}

function deploysOf(revisions: readonly RevisionEntry[]): RepositoryState["deploys"] {
  const asked = revisions.map(({ revision, labels }) => [revision, deployStores(labels)] as const);
  return Object.fromEntries(asked.filter(([, stores]) => stores.length > 0));
}

function usageOf(revisions: readonly RevisionEntry[]): Usage {
  const sum = (of: (entry: RevisionEntry) => number) =>
    Math.min(
      revisions.reduce((total, entry) => total + of(entry), 0),
      Number.MAX_SAFE_INTEGER,
    );
  return { logicalBytes: sum((e) => e.sizeBytes), storedBytes: sum((e) => e.newBytes), objects: sum((e) => e.newChunks) };
}

function fold(state: State, record: RepositoryRecord): void {
  switch (record.op) {
    case "tag":
      state.tags.set(record.tag, { revision: record.revision, seq: record.seq });
      return;
    case "untag":
      state.tags.delete(record.tag);
      return;
    case "lock":
      state.locked.add(record.tag);
      return;
    case "unlock":
      state.locked.delete(record.tag);
      return;
    case "unbranch":
      state.branches.delete(record.branch);
      return;
    case "sign": {
      const known = state.signatures.get(record.manifest) ?? [];
      if (!known.some(({ keyId }) => keyId === record.keyId)) state.signatures.set(record.manifest, [...known, signatureOf(record)]);
      return;
    }
    case "settings":
      state.settings = record.settings;
      return;
    case "end":
      Object.assign(state, emptyState(), { endedSeq: record.seq });
      return;
    default:
      foldRevisions(state, record);
  }
}

type RevisionsRecord = Extract<RepositoryRecord, { op: "commit" | "adopt" | "label" | "delete" | "undelete" | "purge" }>;

function foldRevisions(state: State, record: RevisionsRecord): void {
  switch (record.op) {
    case "commit":
      state.branches.set(record.branch, record.revision);
      if (state.revisions.has(record.revision)) return;
      state.revisions.set(record.revision, revisionOf(record));
      name(state, record);
      return;
    case "adopt": {
      const entry = state.revisions.get(record.revision);
      if (entry === undefined) return;
      end(state, entry, record.seq);
      entry.attempt = record.attempt;
      name(state, record);
      return;
    }
    case "label": {
      const entry = state.revisions.get(record.revision);
      if (entry !== undefined) Object.assign(entry, changesOf(record));
      return;
    }
    case "delete":
      for (const entry of known(state, record.revisions)) entry.deletedAt ??= record.at;
      return;
    case "undelete":
      for (const entry of known(state, record.revisions)) entry.deletedAt = null;
      return;
    case "purge":
      for (const entry of known(state, record.revisions)) {
        if (entry.deletedAt === null) continue;
        state.revisions.delete(entry.revision);
        end(state, entry, record.seq);
      }
      return;
    default:
      record satisfies never;
  }
}

function name({ fates, naming }: State, { attempt, seq }: { attempt: string; seq: number }): void {
  fates.set(attempt, { state: "living" });
  naming.set(attempt, seq);
}

function end({ fates, naming }: State, { attempt }: RevisionEntry, purgeSeq: number): void {
  fates.set(attempt, { state: "purged", commitSeq: naming.get(attempt) ?? 0, purgeSeq });
}

function known(state: State, revisions: readonly RevisionId[]): RevisionEntry[] {
  return [...new Set(revisions)].map((revision) => state.revisions.get(revision)).filter((entry) => entry !== undefined);
}
