/** The indexes of the repositories' logs on Redis: refs, revisions and their order. */
import { deployStores } from "../../shared/contract/replication.ts";
import { type RepositoryId, Usage } from "../../shared/contract/repositories.ts";
import type { Digest } from "../../shared/digest.ts";
import { type OperationId, type RefName, RevisionId, StoreId } from "../../shared/names.ts";
import { eventOfRepository } from "../registry/events/of-record.ts";
import type {
  EnvelopeFate,
  FoundOperation,
  Hashed,
  LogHead,
  RepositoryIndex,
  RepositoryState,
  RevisionEntry,
  SignatureEntry,
} from "../registry/ports.ts";
import type { RepositoryRecord } from "../registry/records.ts";
import { decodeFate, decodeRevision, decodeSettings, decodeSignatures, encodeChanges, encodeRevision, seq12, unreadable } from "./codec.ts";
import { ask, type Command, integerOf, type RedisCommands, type Reply, textOf, textOrNull } from "./commands.ts";
import { changesOf, revisionOf, signatureOf } from "./entries.ts";
import { newsOf } from "./events.ts";
import type { Keys } from "./keys.ts";
import { applyAll, beginReplay, findOperation, linkOf, readFields, readHead, readHeads, readPage } from "./log-index.ts";
import { REPOSITORY } from "./lua-repository.ts";

export class RedisRepositoryIndex implements RepositoryIndex {
  readonly #commands: RedisCommands;
  readonly #keys: Keys;
  readonly #fence: number;

  constructor(commands: RedisCommands, keys: Keys, fence = 0) {
    this.#commands = commands;
    this.#keys = keys;
    this.#fence = fence;
  }

  atLeast(seq: number): RepositoryIndex {
    return new RedisRepositoryIndex(this.#commands, this.#keys, seq);
  }

  head(id: RepositoryId): Promise<LogHead | null> {
    return readHead(this.#commands, REPOSITORY.head, this.#all(id));
  }

  heads(ids: readonly RepositoryId[]): Promise<(LogHead | null)[]> {
    return readHeads(
      this.#commands,
      REPOSITORY.head,
      ids.map((id) => this.#all(id)),
    );
  }

  begin(id: RepositoryId, tailSeq: number): Promise<LogHead> {
    return beginReplay(this.#commands, REPOSITORY.begin, this.#all(id), tailSeq);
  }

  async apply(record: RepositoryRecord, hash: Digest): Promise<void> {
    await ask(this.#commands, REPOSITORY.apply, this.#told(record.repositoryId), argumentsOf({ record, hash }));
  }

  async applyMany(records: readonly Hashed<RepositoryRecord>[]): Promise<void> {
    const [first] = records;
    if (first === undefined) return;
    await applyAll(this.#commands, REPOSITORY.apply, this.#told(first.record.repositoryId), records.map(argumentsOf));
  }

  async refs(id: RepositoryId): Promise<RepositoryState> {
    return stateOf(await ask(this.#commands, REPOSITORY.state, [this.#keys.repository(id).head], [this.#fence]));
  }

  async envelopeFate(id: RepositoryId, attempt: string): Promise<EnvelopeFate | null> {
    const { head, revisions } = this.#keys.repository(id);
    const [ended, fate] = await ask(this.#commands, REPOSITORY.fate, [head, revisions], [attempt, this.#fence]);
    if (ended !== null) return { state: "ended", seq: integerOf(ended) };
    const text = textOrNull(fate);
    return text === null ? null : decodeFate(text);
  }

  async findRevision(id: RepositoryId, revision: RevisionId): Promise<RevisionEntry | null> {
    const { head, revisions } = this.#keys.repository(id);
    const [text = null] = await readFields(this.#commands, [head, revisions], "revisions", [revision], this.#fence);
    return text === null ? null : decodeRevision(revision, text);
  }

  async signatures(id: RepositoryId, manifest: Digest): Promise<SignatureEntry[]> {
    const { head, revisions } = this.#keys.repository(id);
    const [text = null] = await readFields(this.#commands, [head, revisions], "revisions", [`s:${manifest}`], this.#fence);
    return decodeSignatures(text ?? "");
  }

  async resolveName(id: RepositoryId, name: RefName): Promise<RevisionId | null> {
    const [revision] = await ask(this.#commands, REPOSITORY.resolve, [this.#keys.repository(id).head], [name, this.#fence]);
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
    const page = {
      mark: "revisions",
      order: "ZREVRANGEBYLEX",
      first,
      last: `[${place}`,
      limit: query.limit,
      fieldFrom: -40,
      fence: this.#fence,
    } as const;
    const entries = await readPage(this.#commands, [head, order, revisions], page);
    return entries.map(({ field, value }) => decodeRevision(revisionIdOf(field), value));
  }

  findOperation(id: RepositoryId, operationId: OperationId): Promise<FoundOperation> {
    return findOperation(this.#commands, this.#keys.repository(id).head, operationId, this.#fence);
  }

  /** In the order of the scripts' shape. */
  /** KEYS of the apply script. */
  #told(id: RepositoryId): string[] {
    return [...this.#all(id), this.#keys.events];
  }

  #all(id: RepositoryId): string[] {
    const { head, revisions, order } = this.#keys.repository(id);
    return [head, revisions, order];
  }
}

/** ARGV of the apply script. */
function argumentsOf({ record, hash }: Hashed<RepositoryRecord>): Command {
  return [...linkOf(record, hash), ...changeOf(record), newsOf(eventOfRepository(record))];
}

/** ARGV 5… of the apply script. */
function changeOf(record: RepositoryRecord): Command {
  switch (record.op) {
    case "commit": {
      const { op, branch, revision, attempt, sizeBytes, newBytes, newChunks, labels } = record;
      const sums = [sizeBytes, newBytes, newChunks, deployStores(labels).join(" ")];
      return [op, branch, revision, encodeRevision(revisionOf(record)), seq12(record.seq), attempt, ...sums];
    }
    case "tag":
      return [record.op, record.tag, record.revision];
    case "untag":
    case "lock":
    case "unlock":
      return [record.op, record.tag];
    case "unbranch":
      return [record.op, record.branch];
    case "label":
      return [record.op, record.revision, encodeChanges(changesOf(record)), deployStores(record.labels).join(" ")];
    case "adopt":
      return [record.op, record.revision, record.attempt];
    case "sign":
      return [record.op, record.manifest, record.keyId, JSON.stringify(signatureOf(record))];
    case "settings":
      return [record.op, JSON.stringify(record.settings)];
    case "delete":
    case "undelete":
    case "purge":
      // Each once: a script looks at all of them before it changes one.
      return [record.op, record.op === "delete" ? record.at : "", ...new Set(record.revisions)];
    case "end":
      return [record.op];
    default:
      return record satisfies never;
  }
}

/** The head's fields and values, as keys.ts draws them. */
function stateOf(answer: readonly Reply[]): RepositoryState {
  const fields = new Map<string, string>();
  for (let at = 0; at < answer.length; at += 2) fields.set(textOf(answer[at]), textOf(answer[at + 1]));
  const state: RepositoryState = {
    seq: integerOf(fields.get("seq")),
    revisionCount: integerOf(fields.get("revisionCount") ?? "0"),
    branches: {},
    tags: {},
    tagSeqs: {},
    lockedTags: [],
    deploys: {},
    settings: decodeSettings(fields.get("settings") ?? null),
    usage: usageOf(fields.get("usage") ?? "0 0 0"),
    ended: fields.has("ended"),
  };
  for (const [field, value] of fields) {
    const name = field.slice("b:".length);
    if (field.startsWith("b:")) state.branches[name] = revisionIdOf(value);
    if (field.startsWith("t:")) state.tags[name] = revisionIdOf(value.slice(0, 40));
    if (field.startsWith("t:")) state.tagSeqs[name] = integerOf(value.slice(41));
    if (field.startsWith("l:")) state.lockedTags.push(name);
    if (field.startsWith("d:")) state.deploys[revisionIdOf(name)] = value.split(" ").map((store) => StoreId.parse(store));
  }
  state.lockedTags.sort();
  return state;
}

/** Beyond 9 PB (2^53 bytes) a sum stands still. */
function usageOf(text: string): Usage {
  const [logicalBytes, storedBytes, objects] = text.split(" ").map((sum) => Math.min(Number(sum), Number.MAX_SAFE_INTEGER));
  const parsed = Usage.safeParse({ logicalBytes, storedBytes, objects });
  if (!parsed.success) throw unreadable();
  return parsed.data;
}

function revisionIdOf(reply: Reply | undefined): RevisionId {
  const revision = RevisionId.safeParse(reply);
  if (!revision.success) throw unreadable();
  return revision.data;
}
