/** The indexes of the repositories' logs on Redis: refs, revisions and their order. */
import type { Refs, RepositoryId } from "../../shared/contract/repositories.ts";
import type { Digest } from "../../shared/digest.ts";
import { type OperationId, type RefName, RevisionId } from "../../shared/names.ts";
import type { LogHead, RepositoryIndex, RevisionEntry } from "../registry/ports.ts";
import type { RepositoryRecord } from "../registry/records.ts";
import { decodeRevision, encodeRevision } from "./codec.ts";
import { ask, type Command, integerOf, type RedisCommands, type Reply, textOf, unavailable } from "./commands.ts";
import { revisionOf } from "./entries.ts";
import type { Keys } from "./keys.ts";
import { findOperation, linkOf, readFields, readHead, readPage } from "./log-index.ts";
import { REPOSITORY } from "./lua.ts";

export class RedisRepositoryIndex implements RepositoryIndex {
  readonly #commands: RedisCommands;
  readonly #keys: Keys;

  constructor(commands: RedisCommands, keys: Keys) {
    this.#commands = commands;
    this.#keys = keys;
  }

  head(id: RepositoryId): Promise<LogHead | null> {
    return readHead(this.#commands, REPOSITORY.head, this.#all(id));
  }

  async begin(id: RepositoryId, tailSeq: number): Promise<void> {
    await ask(this.#commands, REPOSITORY.begin, this.#all(id), [tailSeq]);
  }

  async apply(record: RepositoryRecord, hash: Digest): Promise<void> {
    await ask(this.#commands, REPOSITORY.apply, this.#all(record.repositoryId), [...linkOf(record, hash), ...changeOf(record)]);
  }

  async refs(id: RepositoryId): Promise<Refs & { seq: number; revisionCount: number }> {
    const [seq, revisionCount, ...pairs] = await ask(this.#commands, REPOSITORY.refs, [this.#keys.repository(id).head], []);
    return { seq: integerOf(seq), revisionCount: integerOf(revisionCount), branches: refsOf("b:", pairs), tags: refsOf("t:", pairs) };
  }

  async findRevision(id: RepositoryId, revision: RevisionId): Promise<RevisionEntry | null> {
    const { head, revisions } = this.#keys.repository(id);
    const [text = null] = await readFields(this.#commands, [head, revisions], "revisions", [revision]);
    return text === null ? null : decodeRevision(revision, text);
  }

  async resolveName(id: RepositoryId, name: RefName): Promise<RevisionId | null> {
    const [revision] = await ask(this.#commands, REPOSITORY.resolve, [this.#keys.repository(id).head], [name]);
    return revision === null ? null : revisionIdOf(revision);
  }

  async listRevisions(
    id: RepositoryId,
    query: { branch?: RefName | undefined; before?: number | undefined; limit: number },
  ): Promise<RevisionEntry[]> {
    const { head, order, revisions } = this.#keys.repository(id);
    // A member begins with its branch (none: the history of all), and no name holds a colon. ';' is what comes after every digit and ':'.
    const place = `${query.branch ?? ""}:`;
    const first = query.before === undefined ? `(${query.branch ?? ""};` : `(${place}${seq12(query.before)}`;
    const page = { mark: "revisions", order: "ZREVRANGEBYLEX", first, last: `[${place}`, limit: query.limit, fieldFrom: -40 } as const;
    const entries = await readPage(this.#commands, [head, order, revisions], page);
    return entries.map(({ field, value }) => decodeRevision(revisionIdOf(field), value));
  }

  findOperation(id: RepositoryId, operationId: OperationId): Promise<number | null> {
    return findOperation(this.#commands, this.#keys.repository(id).head, operationId);
  }

  /** In the order of the scripts' shape. */
  #all(id: RepositoryId): string[] {
    const { head, revisions, order } = this.#keys.repository(id);
    return [head, revisions, order];
  }
}

/** ARGV 5… of the apply script. */
function changeOf(record: RepositoryRecord): Command {
  switch (record.op) {
    case "commit":
      return [record.op, record.branch, record.revision, encodeRevision(revisionOf(record)), seq12(record.seq)];
    case "tag":
      return [record.op, record.tag, record.revision];
    case "untag":
      return [record.op, record.tag];
    case "unbranch":
      return [record.op, record.branch];
    default:
      return record satisfies never;
  }
}

function refsOf(kind: "b:" | "t:", pairs: readonly Reply[]): Record<string, RevisionId> {
  const refs: Record<string, RevisionId> = {};
  for (let at = 0; at < pairs.length; at += 2) {
    const field = textOf(pairs[at]);
    if (field.startsWith(kind)) refs[field.slice(kind.length)] = revisionIdOf(pairs[at + 1]);
  }
  return refs;
}

function revisionIdOf(reply: Reply | undefined): RevisionId {
  const revision = RevisionId.safeParse(reply);
  if (!revision.success) throw unavailable("it holds an entry that can't be read");
  return revision.data;
}

function seq12(seq: number): string {
  return String(seq).padStart(12, "0");
}
