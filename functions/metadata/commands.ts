/** What the adapters need of Redis, whatever carries it (Upstash's REST, the bridge, or TCP), and how its answers are read. */
import { FerryError } from "../../shared/errors.ts";

/** As Redis answers: texts, integers, nil, and arrays of these. */
export type Reply = string | number | null | readonly Reply[];
export type Command = readonly (string | number)[];

/**
 * Every call that got no clear answer to every command throws INDEX_UNAVAILABLE; a failed command never reads as nil. A call may be
 * sent twice, so callers send only what is safe to repeat.
 */
export interface RedisCommands {
  /** The commands in order, not as one atomic step. One answer each. Reads in it may come from a copy that lags. */
  pipeline(commands: readonly Command[]): Promise<Reply[]>;
  /** One atomic step (EVAL). `keys` are all the keys it touches. */
  script(script: string, keys: readonly string[], args: Command): Promise<Reply>;
}

/** `problem` never holds what was sent or answered: both hold names and hashes of tokens. For the same reason there is no cause. */
export function unavailable(problem: string): FerryError {
  return new FerryError("INDEX_UNAVAILABLE", { problem });
}

/** Throws INDEX_UNAVAILABLE unless `value` is something that Redis answers. */
export function parseReply(value: unknown): Reply {
  if (typeof value === "string" || typeof value === "number" || value === null) return value;
  if (Array.isArray(value)) return value.map(parseReply);
  throw unavailable("its answer can't be read");
}

export function listOf(reply: Reply | undefined): readonly Reply[] {
  if (!isList(reply)) throw unavailable("its answer is not a list");
  return reply;
}

export function textOf(reply: Reply | undefined): string {
  if (typeof reply !== "string") throw unavailable("its answer is not a text");
  return reply;
}

export function textOrNull(reply: Reply | undefined): string | null {
  return reply === null ? null : textOf(reply);
}

/** An integer, also one that a script or hash gives as text. */
export function integerOf(reply: Reply | undefined): number {
  const number = typeof reply === "string" && /^\d{1,15}$/.test(reply) ? Number(reply) : reply;
  if (typeof number !== "number" || !Number.isSafeInteger(number)) throw unavailable("its answer is not an integer");
  return number;
}

/** As a list with one item for each of `count` questions. */
export function answersTo(count: number, reply: Reply | undefined): readonly Reply[] {
  const list = listOf(reply);
  if (list.length !== count) throw unavailable(`it gave ${list.length} answers to ${count} questions`);
  return list;
}

/**
 * Runs a script of lua.ts that answers {"whole", …} or {"rebuilding"}; returns what follows "whole". Throws INDEX_REBUILDING.
 *
 * Reads go this way too, and not as GET or HGET: EVAL may write, so a managed Redis runs it where writes are acknowledged, and a read
 * sees every write that was answered before it. (For Upstash this is inferred from its having EVAL_RO beside EVAL, not documented.)
 */
export async function ask(commands: RedisCommands, script: string, keys: readonly string[], args: Command): Promise<readonly Reply[]> {
  return answerIn(await commands.script(script, keys, args));
}

/** The same for several keys and arguments, in one call: one after another, but not as one step. */
export async function askMany(
  commands: RedisCommands,
  script: string,
  questions: readonly { keys: readonly string[]; args: Command }[],
): Promise<Reply[]> {
  return commands.pipeline(questions.map(({ keys, args }) => ["EVAL", script, keys.length, ...keys, ...args]));
}

/** What follows "whole" in a script's answer. Throws INDEX_REBUILDING. */
export function answerIn(reply: Reply | undefined): readonly Reply[] {
  const [state, ...answer] = listOf(reply);
  if (state === "whole") return answer;
  if (state === "rebuilding") throw new FerryError("INDEX_REBUILDING");
  throw unavailable("its answer can't be read");
}

function isList(reply: Reply | undefined): reply is readonly Reply[] {
  return Array.isArray(reply);
}
