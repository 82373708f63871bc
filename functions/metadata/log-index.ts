/** What both logs' indexes on Redis share: head, begin, and the arguments by which a record enters a script. */
import { Digest } from "../../shared/digest.ts";
import { FerryError } from "../../shared/errors.ts";
import type { OperationId } from "../../shared/names.ts";
import type { FoundOperation, LogHead } from "../registry/ports.ts";
import {
  answerIn,
  answersTo,
  ask,
  askMany,
  type Command,
  integerOf,
  type RedisCommands,
  type Reply,
  textOf,
  textOrNull,
  unavailable,
} from "./commands.ts";
import { INDEX, ITEMS_MAX } from "./lua.ts";

type Link = { seq: number; prev: Digest | null; operationId: OperationId };

/** Longest page of a listing: a script unpacks it. */
const PAGE_MAX = ITEMS_MAX - 1;
/** Fields that one script looks up; more are asked for in turn. */
const FIELDS_SLICE = 1_000;

/** Scripts of one call; with its arguments one is 50 KB at most, and 4 KB as a rule. */
const SCRIPTS_SLICE = 100;

export async function readHead(commands: RedisCommands, script: string, keys: readonly string[]): Promise<LogHead | null> {
  return headIn(await commands.script(script, keys, []));
}

/** Heads of several indexes, by the keys of each. */
export async function readHeads(commands: RedisCommands, script: string, indexes: readonly (readonly string[])[]) {
  const heads: (LogHead | null)[] = [];
  for (let at = 0; at < indexes.length; at += SCRIPTS_SLICE) {
    const slice = indexes.slice(at, at + SCRIPTS_SLICE).map((keys) => ({ keys, args: [] }));
    heads.push(...answersTo(slice.length, await askMany(commands, script, slice)).map(headIn));
  }
  return heads;
}

/** Runs an apply script with these arguments, one after another. */
export async function applyAll(commands: RedisCommands, script: string, keys: readonly string[], changes: readonly Command[]) {
  for (let at = 0; at < changes.length; at += SCRIPTS_SLICE) {
    const slice = changes.slice(at, at + SCRIPTS_SLICE).map((args) => ({ keys, args }));
    for (const reply of await askMany(commands, script, slice)) answerIn(reply);
  }
}

function headIn(reply: Reply): LogHead | null {
  try {
    return headOf(answerIn(reply));
  } catch (error) {
    if (error instanceof FerryError && error.code === "INDEX_REBUILDING") return null;
    throw error;
  }
}

export async function beginReplay(commands: RedisCommands, script: string, keys: readonly string[], tailSeq: number): Promise<LogHead> {
  return headOf(await ask(commands, script, keys, [tailSeq]));
}

function headOf([seq, hash]: readonly Reply[]): LogHead {
  return { seq: integerOf(seq), hash: hashOf(textOf(hash)) };
}

function hashOf(text: string): Digest | null {
  if (text === "") return null;
  const hash = Digest.safeParse(text);
  if (!hash.success) throw unavailable("it holds an entry that can't be read");
  return hash.data;
}

/** ARGV 1–4 of an apply script. */
export function linkOf(record: Link, hash: Digest): Command {
  return [record.seq, record.prev ?? "", hash, record.operationId];
}

/** @param fence a seq that the index must have reached. */
export async function findOperation(
  commands: RedisCommands,
  head: string,
  operationId: OperationId,
  fence: number,
): Promise<FoundOperation> {
  const [headSeq, seq] = await ask(commands, INDEX.findOperation, [head], [operationId, fence]);
  return { headSeq: integerOf(headSeq), seq: seq === null ? null : integerOf(seq) };
}

/** Values of a hash's fields, null where there is none. Slices of fields one after another. */
export async function readFields(
  commands: RedisCommands,
  keys: readonly [head: string, hash: string],
  mark: string,
  fields: readonly string[],
  fence: number,
): Promise<(string | null)[]> {
  const values: (string | null)[] = [];
  for (let at = 0; at < fields.length; at += FIELDS_SLICE) {
    const slice = fields.slice(at, at + FIELDS_SLICE);
    const answer = await ask(commands, INDEX.fields, keys, [mark, ...slice, fence]);
    if (answer.length !== slice.length) throw unavailable(`it gave ${answer.length} answers to ${slice.length} questions`);
    values.push(...answer.map(textOrNull));
  }
  return values;
}

type PageQuery = {
  mark: string;
  order: "ZRANGEBYLEX" | "ZREVRANGEBYLEX";
  /** Bounds as these commands take them; the first comes first in the answer. */
  first: string;
  last: string;
  /** At most 3,999. */
  limit: number;
  /** Where the hash's field begins in a member, as Lua counts: from 1, or from the end when negative. */
  fieldFrom: number;
  /** A seq that the index must have reached. */
  fence: number;
};

/** Field and value of one page of a listing, in order. */
export async function readPage(
  commands: RedisCommands,
  keys: readonly [head: string, order: string, hash: string],
  query: PageQuery,
): Promise<{ field: string; value: string }[]> {
  const { mark, order, first, last, limit, fieldFrom, fence } = query;
  if (limit > PAGE_MAX) throw new RangeError(`a page has at most ${PAGE_MAX} entries, not ${limit}`);
  const answer = await ask(commands, INDEX.page, keys, [mark, order, first, last, limit, fieldFrom, fence]);
  const entries: { field: string; value: string }[] = [];
  for (let at = 0; at < answer.length; at += 2) entries.push({ field: textOf(answer[at]), value: textOf(answer[at + 1]) });
  return entries;
}
