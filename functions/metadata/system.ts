/** The index of the deployment's own log on Redis: names of repositories, and tokens. */
import type { StoredHooks } from "../../shared/contract/hooks.ts";
import type { RepositoryId, RepositorySummary } from "../../shared/contract/repositories.ts";
import type { Digest } from "../../shared/digest.ts";
import { type OperationId, RepositoryName } from "../../shared/names.ts";
import { eventOfSystem } from "../registry/events/of-record.ts";
import type {
  Directory,
  FoundOperation,
  Hashed,
  LogHead,
  Standing,
  SystemIndex,
  TokenEntry,
  TrashedRepository,
} from "../registry/ports.ts";
import type { SystemRecord } from "../registry/records.ts";
import {
  decodeDirectory,
  decodeRepository,
  decodeToken,
  decodeTrashed,
  encodeBlock,
  encodePerson,
  encodeRepository,
  encodeToken,
  unreadable,
} from "./codec.ts";
import { ask, type Command, type RedisCommands, textOf, textOrNull } from "./commands.ts";
import { blockOf, grantOf, keyOf, repositoryOf, tokenOf } from "./entries.ts";
import { newsOf } from "./events.ts";
import type { Keys } from "./keys.ts";
import { applyAll, beginReplay, findOperation, linkOf, readFields, readHead, readPage } from "./log-index.ts";
import { SYSTEM } from "./lua-system.ts";
import { decodeHooks, decodeStanding } from "./standing.ts";

/** Tokens that one round of a listing asks for. */
const TOKENS_PAGE = 500;

export class RedisSystemIndex implements SystemIndex {
  readonly #commands: RedisCommands;
  readonly #keyring: Keys;
  readonly #keys: Keys["system"];
  readonly #fence: number;

  constructor(commands: RedisCommands, keys: Keys, fence = 0) {
    this.#commands = commands;
    this.#keyring = keys;
    this.#keys = keys.system;
    this.#fence = fence;
  }

  atLeast(seq: number): SystemIndex {
    return new RedisSystemIndex(this.#commands, this.#keyring, seq);
  }

  head(): Promise<LogHead | null> {
    return readHead(this.#commands, SYSTEM.head, this.#all());
  }

  begin(tailSeq: number): Promise<LogHead> {
    return beginReplay(this.#commands, SYSTEM.begin, this.#all(), tailSeq);
  }

  async apply(record: SystemRecord, hash: Digest): Promise<void> {
    await ask(this.#commands, SYSTEM.apply, this.#told(), argumentsOf({ record, hash }));
  }

  async applyMany(records: readonly Hashed<SystemRecord>[]): Promise<void> {
    await applyAll(this.#commands, SYSTEM.apply, this.#told(), records.map(argumentsOf));
  }

  async findRepository(name: RepositoryName): Promise<RepositorySummary | null> {
    const [text = null] = await this.#names([`n:${name}`]);
    return text === null ? null : decodeRepository(name, text);
  }

  async namesOf(ids: readonly RepositoryId[]): Promise<Map<RepositoryId, RepositoryName>> {
    const values = await this.#names(ids.flatMap((id) => [`i:${id}`, `b:${id}`]));
    const found = new Map<RepositoryId, RepositoryName>();
    ids.forEach((id, at) => {
      const [name = null, block = null] = values.slice(2 * at, 2 * at + 2);
      if (name !== null && block === null) found.set(id, parsed(RepositoryName.safeParse(name)));
    });
    return found;
  }

  async findMoved(name: RepositoryName): Promise<RepositoryName | null> {
    const [id = null] = await this.#names([`m:${name}`]);
    const [moved = null] = id === null ? [] : await this.#names([`i:${id}`]);
    return moved === null ? null : parsed(RepositoryName.safeParse(moved));
  }

  async findTrashed(id: RepositoryId): Promise<TrashedRepository | null> {
    const [text = null] = await this.#names([`t:${id}`]);
    return text === null ? null : decodeTrashed(text);
  }

  async listTrash(query: { after?: string | undefined; limit: number }): Promise<TrashedRepository[]> {
    return (await this.#page("t", query)).map(({ value }) => decodeTrashed(value));
  }

  async listRepositories(query: { after?: string | undefined; limit: number }): Promise<RepositorySummary[]> {
    return (await this.#page("n", query)).map(({ field, value }) => decodeRepository(field.slice("n:".length), value));
  }

  async findToken(hash: Digest): Promise<TokenEntry | null> {
    const [reply] = await ask(this.#commands, SYSTEM.token, [this.#keys.head, this.#keys.tokens], [hash, this.#fence]);
    const text = textOrNull(reply);
    return text === null ? null : decodeToken(text);
  }

  async findTokenById(id: string): Promise<TokenEntry | null> {
    const [text = null] = await this.#tokens([`t:${id}`]);
    return text === null ? null : decodeToken(text);
  }

  /** In order of creation. Tokens are never taken out of the index, so what is numbered on one round is there on the next. */
  async listTokens(): Promise<TokenEntry[]> {
    const tokens: TokenEntry[] = [];
    for (let after = 0; ; after += TOKENS_PAGE) {
      const numbered = await this.#tokens(Array.from({ length: TOKENS_PAGE }, (_, at) => `k:${after + at + 1}`));
      const ids = numbered.filter((id) => id !== null);
      const entries = await this.#tokens(ids.map((id) => `t:${id}`));
      for (const entry of entries) tokens.push(decodeToken(entry ?? ""));
      if (ids.length < TOKENS_PAGE) return tokens;
    }
  }

  async directory(): Promise<Directory> {
    const answer = await ask(this.#commands, SYSTEM.directory, [this.#keys.head], [this.#fence]);
    const fields = new Map<string, string>();
    for (let at = 0; at < answer.length; at += 2) fields.set(textOf(answer[at]), textOf(answer[at + 1]));
    return decodeDirectory(fields);
  }

  async standing(): Promise<Standing> {
    const [policies = null, home = null] = await ask(this.#commands, SYSTEM.standing, [this.#keys.head], [this.#fence]);
    return decodeStanding(textOrNull(policies), textOrNull(home));
  }

  async hooks(): Promise<StoredHooks> {
    const [hooks = null] = await ask(this.#commands, SYSTEM.hooks, [this.#keys.head], [this.#fence]);
    return decodeHooks(textOrNull(hooks));
  }

  findOperation(operationId: OperationId): Promise<FoundOperation> {
    return findOperation(this.#commands, this.#keys.head, operationId, this.#fence);
  }

  /** Members and fields of one kind, in order; ';' is what comes after ':'. */
  #page(kind: "n" | "t", { after, limit }: { after?: string | undefined; limit: number }) {
    const { head, names, order } = this.#keys;
    const first = after === undefined ? `[${kind}:` : `(${kind}:${after}`;
    const page = { mark: "names", order: "ZRANGEBYLEX", first, last: `(${kind};`, limit, fieldFrom: 1, fence: this.#fence } as const;
    return readPage(this.#commands, [head, order, names], page);
  }

  #names(fields: readonly string[]): Promise<(string | null)[]> {
    return readFields(this.#commands, [this.#keys.head, this.#keys.names], "names", fields, this.#fence);
  }

  #tokens(fields: readonly string[]): Promise<(string | null)[]> {
    return readFields(this.#commands, [this.#keys.head, this.#keys.tokens], "tokens", fields, this.#fence);
  }

  /** In the order of the scripts' shape. */
  #all(): string[] {
    const { head, names, order, tokens } = this.#keys;
    return [head, names, order, tokens];
  }

  /** KEYS of the apply script. */
  #told(): string[] {
    return [...this.#all(), this.#keyring.events];
  }
}

/** ARGV of the apply script. */
function argumentsOf({ record, hash }: Hashed<SystemRecord>): Command {
  return [...linkOf(record, hash), ...changeOf(record), newsOf(eventOfSystem(record))];
}

/** ARGV 5… of the apply script. */
function changeOf(record: SystemRecord): Command {
  switch (record.op) {
    case "repository.create":
      return [record.op, record.repositoryId, record.repository, encodeRepository(repositoryOf(record))];
    case "repository.delete":
      return [record.op, record.repositoryId, record.at, encodePerson(record.actor)];
    case "repository.restore":
    case "repository.rename":
      return [record.op, record.repositoryId, record.repository];
    case "repository.purge":
      return [record.op, record.repositoryId];
    case "repository.block":
      return [record.op, record.repositoryId, encodeBlock(blockOf(record))];
    case "repository.unblock":
      return [record.op, record.repositoryId, encodeBlock(null)];
    case "token.create":
      return [record.op, record.tokenId, record.tokenHash, encodeToken(tokenOf(record))];
    case "token.rotate":
      return [record.op, record.tokenId, record.tokenHash, record.previousUntil, record.at];
    case "token.revoke":
      return [record.op, record.tokenId, record.at];
    case "key.add":
      return [record.op, record.keyId, JSON.stringify(keyOf(record))];
    case "key.revoke":
      return [record.op, record.keyId, record.at];
    case "user.grant":
      return [record.op, record.grantId, JSON.stringify(grantOf(record))];
    case "user.revoke":
      return [record.op, record.grantId];
    case "policies":
      return [record.op, JSON.stringify(record.policies)];
    case "hooks":
      return [record.op, JSON.stringify({ webhooks: record.webhooks, sources: record.sources })];
    case "promote":
      return [record.op, JSON.stringify({ store: record.store, epoch: record.epoch })];
    default:
      return record satisfies never;
  }
}

function parsed<T>(result: { success: true; data: T } | { success: false }): T {
  if (!result.success) throw unreadable();
  return result.data;
}
