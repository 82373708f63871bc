/** Helpers to test an index that follows a log: replay, and what its reads answer when parts of it are gone. */
import assert from "node:assert/strict";
import type { LogHead } from "../../functions/registry/ports.ts";
import type { Digest } from "../../shared/digest.ts";
import { FerryError } from "../../shared/errors.ts";
import type { Entry } from "./chain.ts";

export const REBUILDING = { code: "INDEX_REBUILDING" };

/** A read of an index by the name it has in a test's messages. */
export type Question = { name: string; ask(): Promise<unknown> };

export type Answer = { state: "rebuilding" } | { state: "answered"; value: unknown };

/** INDEX_REBUILDING is an answer here; any other failure is thrown. */
export async function answerOf(question: Question): Promise<Answer> {
  try {
    return { state: "answered", value: await question.ask() };
  } catch (error) {
    if (error instanceof FerryError && error.code === "INDEX_REBUILDING") return { state: "rebuilding" };
    throw error;
  }
}

export async function answersOf(questions: readonly Question[]): Promise<Answer[]> {
  const answers: Answer[] = [];
  for (const question of questions) answers.push(await answerOf(question));
  return answers;
}

/** Each answer is what it was, or "rebuilding"; an answer of another kind is a lie. Returns how many were refused. */
export function assertHonest(questions: readonly Question[], answers: readonly Answer[], truth: readonly Answer[], when: string): number {
  questions.forEach((question, at) => {
    if (answers[at]?.state === "answered") assert.deepEqual(answers[at], truth[at], `${question.name} ${when}`);
  });
  return answers.filter((answer) => answer.state === "rebuilding").length;
}

type Follower<R> = { begin(tailSeq: number): Promise<LogHead>; apply(record: R, hash: Digest): Promise<void> };

/** As a replayer does it: from the first record, whatever is applied already. */
export async function replay<R>(index: Follower<R>, entries: readonly Entry<R>[]): Promise<void> {
  await index.begin(entries.length);
  for (const { record, hash } of entries) await index.apply(record, hash);
}
