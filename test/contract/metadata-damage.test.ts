/**
 * What a managed Redis may do to an index: lose any of its keys, or bring older copies of them back (Upstash: the last writer of a key
 * wins, so after a split or a restore each key stands where it likes). Whatever the mixture, the index answers for the state that its
 * head is in, or says that it is rebuilding.
 *
 * One thing it can't see: all keys brought back to one and the same moment. That index is whole, but behind; the domain finds it by
 * comparing head() with the bucket.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import fc from "fast-check";
import { repositoryQuestions } from "../suites/metadata-repositories.ts";
import { systemQuestions } from "../suites/metadata-system.ts";
import * as record from "../support/chain.ts";
import { repositoryChain, repositoryIdOf, systemChain } from "../support/chain.ts";
import { type Answer, answersOf, assertHonest, type Question } from "../support/log-index.ts";
import { type RedisIndexes, startRedisIndexes } from "../support/redis-indexes.ts";
import { whyNoRedis } from "../support/stack.ts";

/** One moment of an index: each key's content as text and as a dump (whose bytes may differ for equal content), and what it answered. */
type Moment = { keys: { content: string; dump: Buffer | null }[]; answers: Answer[] };

const RANDOM_MIXTURES = 150;

describe("a damaged index on Redis", { skip: whyNoRedis() }, () => {
  let parts: RedisIndexes;
  before(async () => {
    parts = await startRedisIndexes();
  });
  after(() => parts?.stop());

  async function momentOf(keys: readonly string[], questions: readonly Question[]): Promise<Moment> {
    const kept: Moment["keys"] = [];
    for (const key of keys) {
      const isHash = (await parts.raw.type(key)) === "hash";
      const items = isHash ? Object.entries(await parts.raw.hgetall(key)) : await parts.raw.zrange(key, "0", "-1");
      kept.push({ content: JSON.stringify(items.map(String).sort()), dump: await parts.raw.dumpBuffer(key) });
    }
    return { keys: kept, answers: await answersOf(questions) };
  }

  async function bringBack(key: string, dump: Buffer | null | undefined): Promise<void> {
    if (dump === null || dump === undefined) await parts.raw.del(key);
    else await parts.raw.restore(key, 0, dump, "REPLACE");
  }

  /**
   * Each key from any moment, or lost: every single key from every moment beside the newest others, every single key from the moment
   * before or after the others' (what one record changed must show), then random mixtures.
   */
  async function tryMixtures(keys: readonly string[], questions: readonly Question[], moments: readonly Moment[]): Promise<void> {
    const newest = moments.length - 1;
    const choice = fc.integer({ min: -1, max: newest });
    const single = (key: number, from: number, others: number) => keys.map((_, at) => (at === key ? from : others));
    const singles = keys.flatMap((_, key) =>
      [...moments.keys()].flatMap((m) => [single(key, m - 1, newest), single(key, m - 1, m), single(key, m, m - 1)]),
    );
    let refused = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(choice, { minLength: keys.length, maxLength: keys.length }), async (choices) => {
        const chosen = keys.map((_, at) => moments[choices[at] ?? -1]?.keys[at]);
        for (const [at, key] of keys.entries()) await bringBack(key, chosen[at]?.dump);
        const [head, ...answers] = await answersOf(questions);
        const then = moments[choices[0] ?? -1];
        const truth = then?.answers ?? questions.map((): Answer => ({ state: "rebuilding" }));
        refused += assertHonest(questions.slice(1), answers, truth.slice(1), `with keys of moments ${choices}`);
        const isWhole = then !== undefined && keys.every((_, at) => chosen[at]?.content === then.keys[at]?.content);
        if (isWhole) assert.deepEqual([head, ...answers], truth);
        else assert.deepEqual(head, { state: "answered", value: null }, `head with keys of moments ${choices}`);
      }),
      { numRuns: singles.length + RANDOM_MIXTURES, examples: singles.map((choices): [number[]] => [choices]) },
    );
    assert.ok(refused > RANDOM_MIXTURES, `mixtures are noticed: ${refused} reads refused`);
  }

  test("of the deployment never denies, and never answers for another moment than its head's", async () => {
    const { system, prefix } = parts.open(parts.tcp);
    await system.begin(0);
    const keys = ["sys", "sys:names", "sys:order", "sys:tokens"].map((key) => prefix + key);
    const questions = systemQuestions(system);
    const chain = systemChain();
    const moments = [await momentOf(keys, questions)];
    // Name and token counts come back to what they were, so that counting alone would notice nothing.
    const bodies = [
      record.create("team/llama-2"),
      record.create("a/b"),
      record.remove("team/llama-2"),
      record.create("team/llama"),
      record.makeToken("one"),
      record.remove("a/b"),
      record.create("a/b", repositoryIdOf("another")),
      record.restore("a/b-2", repositoryIdOf("a/b")),
      record.rename("a/b-2", "a/b-3", repositoryIdOf("a/b")),
      record.remove("a/b-2", repositoryIdOf("a/b")),
      record.purgeRepository("team/llama-2"),
      record.restore("a/b-2", repositoryIdOf("a/b")),
      record.makeToken("two"),
      record.rotate("two", "three'", 100),
      record.block("a/b-2", repositoryIdOf("a/b")),
      record.unblock("a/b-2", repositoryIdOf("a/b")),
      record.revoke("two"),
      record.revoke("one"),
    ];
    for (const body of bodies) {
      const entry = await chain.add(body);
      await system.apply(entry.record, entry.hash);
      moments.push(await momentOf(keys, questions));
    }
    await tryMixtures(keys, questions, moments);
  });

  test("of a repository never denies, and never answers for another moment than its head's", async () => {
    const { repositories, prefix } = parts.open(parts.tcp);
    const id = repositoryIdOf("team/llama");
    await repositories.begin(id, 0);
    const keys = ["", ":revisions", ":order"].map((part) => `${prefix}repo:${id}${part}`);
    const questions = repositoryQuestions(repositories, id);
    const chain = repositoryChain();
    const moments = [await momentOf(keys, questions)];
    const bodies = [
      record.commit(id, "main", "c1"),
      record.tag(id, "v1", "c1"),
      record.commit(id, "main", "c2"),
      record.tag(id, "v2", "c2"),
      record.untag(id, "v1", "c1"),
      record.commit(id, "main-2", "c3"),
      record.unbranch(id, "main-2", "c3"),
      record.commit(id, "main", "c4"),
      // The same numbers of members and fields before and after: only marks tell these moments apart.
      record.label(id, "c2", "another"),
      record.trash(id, "c2", "c3"),
      record.untrash(id, "c2"),
      record.lock(id, "v2"),
      record.settings(id, { retention: { keepLast: 3 } }),
      record.purge(id, "c3"),
      record.end(id),
    ];
    for (const body of bodies) {
      const entry = await chain.add(body);
      await repositories.apply(entry.record, entry.hash);
      moments.push(await momentOf(keys, questions));
    }
    await tryMixtures(keys, questions, moments);
  });

  test("a running replay that loses a key starts anew and still ends whole", async () => {
    const { repositories, loseKey } = parts.open(parts.tcp);
    const id = repositoryIdOf("team/other");
    const chain = repositoryChain();
    for (let at = 1; at <= 6; at++) await chain.add(record.commit(id, "main", `c${at}`));
    await repositories.begin(id, 6);
    for (const { record: commit, hash } of chain.entries.slice(0, 4)) await repositories.apply(commit, hash);
    await loseKey(`repo:${id}:revisions`);
    await repositories.begin(id, 6);
    for (const { record: commit, hash } of chain.entries) await repositories.apply(commit, hash);
    assert.equal((await repositories.refs(id)).revisionCount, 6);
    assert.equal((await repositories.listRevisions(id, { limit: 10 })).length, 6);
  });
});
