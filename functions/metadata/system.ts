/** The index of the deployment's own log on Redis: names of repositories, and tokens. */
import type { RepositoryId, RepositorySummary } from "../../shared/contract/repositories.ts";
import { Digest } from "../../shared/digest.ts";
import { type OperationId, RepositoryName } from "../../shared/names.ts";
import type { Hashed, LogHead, SystemIndex, TokenEntry, TrashedRepository } from "../registry/ports.ts";
import type { SystemRecord } from "../registry/records.ts";
import { decodeRepository, decodeToken, decodeTrashed, encodePerson, encodeRepository, encodeToken, unreadable } from "./codec.ts";
import { ask, type Command, type RedisCommands } from "./commands.ts";
import { repositoryOf, tokenOf } from "./entries.ts";
import type { Keys } from "./keys.ts";
import { applyAll, beginReplay, findOperation, linkOf, readFields, readHead, readPage } from "./log-index.ts";
import { SYSTEM } from "./lua-system.ts";

/** Tokens that one round of a listing asks for. */
const TOKENS_PAGE = 500;

export class RedisSystemIndex implements SystemIndex {
  readonly #commands: RedisCommands;
  readonly #keys: Keys["system"];

  constructor(commands: RedisCommands, keys: Keys) {
    this.#commands = commands;
    this.#keys = keys.system;
  }

  head(): Promise<LogHead | null> {
    return readHead(this.#commands, SYSTEM.head, this.#all());
  }

  begin(tailSeq: number): Promise<LogHead> {
    return beginReplay(this.#commands, SYSTEM.begin, this.#all(), tailSeq);
  }

  async apply(record: SystemRecord, hash: Digest): Promise<void> {
    await ask(this.#commands, SYSTEM.apply, this.#all(), argumentsOf({ record, hash }));
  }

  async applyMany(records: readonly Hashed<SystemRecord>[]): Promise<void> {
    await applyAll(this.#commands, SYSTEM.apply, this.#all(), records.map(argumentsOf));
  }

  async findRepository(name: RepositoryName): Promise<RepositorySummary | null> {
    const [text = null] = await this.#names([`n:${name}`]);
    return text === null ? null : decodeRepository(name, text);
  }

  async namesOf(ids: readonly RepositoryId[]): Promise<Map<RepositoryId, RepositoryName>> {
    const names = await this.#names(ids.map((id) => `i:${id}`));
    const found = new Map<RepositoryId, RepositoryName>();
    ids.forEach((id, at) => {
      const name = names[at] ?? null;
      if (name !== null) found.set(id, parsed(RepositoryName.safeParse(name)));
    });
    return found;
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
    const [text = null] = await this.#tokens([`h:${hash}`]);
    return text === null ? null : decodeToken(hash, text);
  }

  /** In order of creation. Tokens are never taken out of the index, so what is numbered on one round is there on the next. */
  async listTokens(): Promise<TokenEntry[]> {
    const tokens: TokenEntry[] = [];
    for (let after = 0; ; after += TOKENS_PAGE) {
      const numbered = await this.#tokens(Array.from({ length: TOKENS_PAGE }, (_, at) => `k:${after + at + 1}`));
      const hashes = numbered.filter((hash) => hash !== null).map((hash) => parsed(Digest.safeParse(hash)));
      const entries = await this.#tokens(hashes.map((hash) => `h:${hash}`));
      hashes.forEach((hash, at) => {
        tokens.push(decodeToken(hash, entries[at] ?? ""));
      });
      if (hashes.length < TOKENS_PAGE) return tokens;
    }
  }

  findOperation(operationId: OperationId): Promise<number | null> {
    return findOperation(this.#commands, this.#keys.head, operationId);
  }

  /** Members and fields of one kind, in order; ';' is what comes after ':'. */
  #page(kind: "n" | "t", { after, limit }: { after?: string | undefined; limit: number }) {
    const { head, names, order } = this.#keys;
    const first = after === undefined ? `[${kind}:` : `(${kind}:${after}`;
    const page = { mark: "names", order: "ZRANGEBYLEX", first, last: `(${kind};`, limit, fieldFrom: 1 } as const;
    return readPage(this.#commands, [head, order, names], page);
  }

  #names(fields: readonly string[]): Promise<(string | null)[]> {
    return readFields(this.#commands, [this.#keys.head, this.#keys.names], "names", fields);
  }

  #tokens(fields: readonly string[]): Promise<(string | null)[]> {
    return readFields(this.#commands, [this.#keys.head, this.#keys.tokens], "tokens", fields);
  }

  /** In the order of the scripts' shape. */
  #all(): string[] {
    const { head, names, order, tokens } = this.#keys;
    return [head, names, order, tokens];
  }
}

/** ARGV of the apply script. */
function argumentsOf({ record, hash }: Hashed<SystemRecord>): Command {
  return [...linkOf(record, hash), ...changeOf(record)];
}

/** ARGV 5… of the apply script. */
function changeOf(record: SystemRecord): Command {
  switch (record.op) {
    case "repository.create":
      return [record.op, record.repositoryId, record.repository, encodeRepository(repositoryOf(record))];
    case "repository.delete":
      return [record.op, record.repositoryId, record.at, encodePerson(record.actor)];
    case "repository.restore":
      return [record.op, record.repositoryId, record.repository];
    case "repository.purge":
      return [record.op, record.repositoryId];
    case "token.create":
      return [record.op, record.tokenId, record.tokenHash, encodeToken(tokenOf(record))];
    case "token.revoke":
      return [record.op, record.tokenId, record.at];
    default:
      return record satisfies never;
  }
}

function parsed<T>(result: { success: true; data: T } | { success: false }): T {
  if (!result.success) throw unreadable();
  return result.data;
}
