/** The index ports on a real Redis keep their promises, by Upstash's REST protocol and by TCP, and answer as those in memory do. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import fc from "fast-check";
import { redisIndexes } from "../../functions/metadata/indexes.ts";
import type { Body } from "../../functions/registry/log.ts";
import type { RepositoryRecord, SystemRecord } from "../../functions/registry/records.ts";
import type { RepositoryId } from "../../shared/contract/repositories.ts";
import { metadataSuite } from "../suites/metadata.ts";
import { repositoryQuestions } from "../suites/metadata-repositories.ts";
import { systemQuestions } from "../suites/metadata-system.ts";
import * as record from "../support/chain.ts";
import { attemptOf, digestOf, nameOf, operationOf, repositoryChain, repositoryIdOf, revisionOf, systemChain } from "../support/chain.ts";
import { proofOf, UPLOAD, UPLOAD_KEY } from "../support/index-values.ts";
import { answersOf, type Question, replay } from "../support/log-index.ts";
import { memoryIndexes } from "../support/memory-index.ts";
import { type RedisIndexes, startRedisIndexes } from "../support/redis-indexes.ts";
import { whyNoRedis } from "../support/stack.ts";

const DAY_SECONDS = 86_400;

describe("index ports on a real Redis", { skip: whyNoRedis() }, () => {
  let parts: RedisIndexes;
  before(async () => {
    parts = await startRedisIndexes();
  });
  after(() => parts?.stop());

  metadataSuite("by REST", () => parts.open(parts.rest));
  metadataSuite("by TCP", () => parts.open(parts.tcp));

  test("what one way writes the other reads, and two writers of a log don't disturb one another", async () => {
    const tcp = parts.open(parts.tcp);
    const rest = redisIndexes({ commands: parts.rest, generation: tcp.generation });
    const chain = repositoryChain();
    const id = repositoryIdOf("team/llama");
    await tcp.repositories.begin(id, 0);
    for (let at = 1; at <= 20; at++) {
      const { record: commit, hash } = await chain.add(record.commit(id, "main", `r${at}`));
      await Promise.all([tcp, rest].map((indexes) => indexes.repositories.apply(commit, hash)));
      for (const indexes of [rest, tcp]) {
        assert.equal(await indexes.repositories.resolveName(id, record.refOf("main")), revisionOf(`r${at}`));
      }
    }
    assert.equal((await rest.repositories.refs(id)).revisionCount, 20);
  });

  test("any history of the deployment leaves on Redis what it leaves in memory", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(systemBody(), { maxLength: 25 }), async (bodies) => {
        const chain = systemChain();
        for (const body of bodies) await chain.add(body);
        const redis = parts.open(parts.tcp).system;
        const memory = memoryIndexes({ clock: { now: () => 0 } }).system;
        for (const index of [redis, memory]) await replay(index, chain.entries);
        assert.deepEqual(await answersOf(allSystemQuestions(redis)), await answersOf(allSystemQuestions(memory)));
      }),
      { numRuns: 100 },
    );
  });

  test("any history of a repository leaves on Redis what it leaves in memory", async () => {
    const id = repositoryIdOf("team/llama");
    await fc.assert(
      fc.asyncProperty(fc.array(repositoryBody(), { maxLength: 40 }), async (bodies) => {
        const chain = repositoryChain();
        for (const body of bodies) await chain.add(body);
        const indexes = [parts.open(parts.tcp), memoryIndexes({ clock: { now: () => 0 } })];
        const answers = [];
        for (const { repositories } of indexes) {
          await repositories.begin(id, chain.seq);
          for (const entry of chain.entries) await repositories.apply(entry.record, entry.hash);
          answers.push(await answersOf(allRepositoryQuestions(repositories, id)));
        }
        assert.deepEqual(answers[0], answers[1]);
      }),
      { numRuns: 100 },
    );
  });

  test("all of an upload ends a day after it was touched last, whichever call touched it", async () => {
    const { uploads, prefix } = parts.open(parts.rest);
    const keys = [`upload:${UPLOAD}`, `upload:${UPLOAD}:recipes`].map((key) => prefix + key);
    const digest = digestOf("c");
    await uploads.record(UPLOAD, new Map([[digest, proofOf("c")]]));
    await uploads.addRecipes(UPLOAD, [digest]);
    const touches = {
      record: () => uploads.record(UPLOAD, new Map([[digest, proofOf("c")]])),
      proofs: () => uploads.proofs(UPLOAD, [digest]),
      addRecipes: () => uploads.addRecipes(UPLOAD, [digest]),
      missingRecipes: () => uploads.missingRecipes(UPLOAD, [digest]),
    };
    for (const [name, touch] of Object.entries(touches)) {
      for (const key of keys) await parts.raw.expire(key, 100);
      await touch();
      for (const key of keys) assert.ok((await parts.raw.ttl(key)) > DAY_SECONDS - 60, `${name} and ${key}`);
    }
    await uploads.remember(UPLOAD_KEY, "text", 0, 10);
    const [pointer] = await parts.raw.keys(`${prefix}upload-of:*`);
    assert.ok(pointer);
    assert.ok((await parts.raw.ttl(pointer)) > DAY_SECONDS - 60);
    await parts.raw.expire(pointer, 100);
    await uploads.current(UPLOAD_KEY);
    assert.ok((await parts.raw.ttl(pointer)) > DAY_SECONDS - 60);
  });

  test("a lease ends by itself, no later than its owner asked for last", async () => {
    const { leases, prefix } = parts.open(parts.rest);
    const key = `${prefix}lease:collect`;
    const number = await leases.acquire("collect", "a", 50_000);
    assert.ok((await parts.raw.pttl(key)) > 40_000);
    await parts.raw.pexpire(key, 1_000);
    assert.equal(await leases.acquire("collect", "a", 90_000), number);
    assert.ok((await parts.raw.pttl(key)) > 80_000);
    assert.ok((await parts.raw.pttl(key)) <= 90_000);
    assert.equal(await parts.raw.ttl(`${key}:fence`), -1);
  });

  test("a repository that ended takes next to no room, however many refs and revisions it had", async () => {
    const { repositories, prefix } = parts.open(parts.tcp);
    const id = repositoryIdOf("team/llama");
    const chain = repositoryChain();
    for (let at = 1; at <= 300; at++) await chain.add(record.commit(id, `branch-${at}`, `r${at}`));
    const keys = ["", ":revisions", ":order"].map((part) => `${prefix}repo:${id}${part}`);
    await repositories.begin(id, 0);
    for (const entry of chain.entries) await repositories.apply(entry.record, entry.hash);
    // As many refs as one command of the script that ends it can't remove at once.
    const [head = "", ...others] = keys;
    for (let from = 0; from < 9_000; from += 1_000) {
      const tags = Array.from({ length: 1_000 }, (_, at) => [`t:tag-${from + at}`, `${revisionOf("r1")}:1`]);
      await parts.raw.hset(head, Object.fromEntries(tags));
    }
    const last = await chain.add(record.end(id));
    await repositories.apply(last.record, last.hash);
    assert.deepEqual((await repositories.refs(id)).tags, {});
    const fields = (await parts.raw.hkeys(head)).filter((field) => !/^r\d+$/.test(field));
    assert.deepEqual(fields.sort(), ["ended", "hash", "mark:revisions", "replayTo", "seq"]);
    assert.deepEqual([await parts.raw.hlen(others[0] ?? ""), await parts.raw.zcard(others[1] ?? "")], [1, 1]);
  });

  test("nothing in Redis is without a place in the tree of keys, and only uploads and leases have an end", async () => {
    const { system, repositories, chunks, uploads, leases, prefix } = parts.open(parts.tcp);
    const id = repositoryIdOf("team/llama");
    await replay(system, [await systemChain().add(record.create("team/llama"))]);
    const { record: commit, hash } = await repositoryChain().add(record.commit(id, "main", "c1"));
    await repositories.begin(id, 1);
    await repositories.apply(commit, hash);
    await chunks.add([{ sha256: digestOf("c"), tag: "0".repeat(16), holder: id, size: 1, verified: true }]);
    await uploads.record(UPLOAD, new Map([[digestOf("c"), proofOf("c")]]));
    await leases.acquire("collect", "a", 60_000);
    const keys = (await parts.raw.keys(`${prefix}*`)).map((key) => key.slice(prefix.length)).sort();
    const shard = `chunks:${digestOf("c").charAt(0)}`;
    const expected = ["sys", "sys:names", "sys:order", "sys:tokens", `repo:${id}`, `repo:${id}:revisions`, `repo:${id}:order`, shard];
    assert.deepEqual(keys, [...expected, `upload:${UPLOAD}`, "lease:collect", "lease:collect:fence"].sort());
    for (const key of keys) assert.equal((await parts.raw.ttl(prefix + key)) > 0, key.startsWith("upload") || key === "lease:collect", key);
  });
});

const SEEDS = ["a", "b", "c", "d"];
const seed = () => fc.constantFrom(...SEEDS);
const REVISIONS = Array.from({ length: 9 }, (_, at) => `c${at + 1}`);
const revisions = () => fc.constantFrom(...REVISIONS);

/** Also what the domain would not write, such as a name created twice: the index follows the log, whatever it says. */
function systemBody(): fc.Arbitrary<Body<SystemRecord>> {
  const names = seed().map((name) => `team/${name}`);
  return fc.oneof(
    fc.tuple(names, seed()).map(([name, id]) => record.create(name, repositoryIdOf(id))),
    fc.tuple(names, seed()).map(([name, id]) => record.remove(name, repositoryIdOf(id))),
    fc.tuple(names, seed()).map(([name, id]) => record.restore(name, repositoryIdOf(id))),
    fc.tuple(names, names, seed()).map(([from, to, id]) => record.rename(from, to, repositoryIdOf(id))),
    seed().map((id) => record.purgeRepository("any/name", repositoryIdOf(id))),
    seed().map((token) => record.makeToken(token)),
    seed().map((token) => record.revoke(token)),
    fc
      .tuple(seed(), fc.constantFrom("x", "y", "z"), fc.nat(25))
      .map(([token, secret, seconds]) => record.rotate(token, `${token} ${secret}`, seconds)),
    fc.tuple(names, seed()).map(([name, id]) => record.block(name, repositoryIdOf(id))),
    fc.tuple(names, seed()).map(([name, id]) => record.unblock(name, repositoryIdOf(id))),
  );
}

function repositoryBody(): fc.Arbitrary<Body<RepositoryRecord>> {
  const id = repositoryIdOf("team/llama");
  const names = fc.constantFrom("main", "main-2", "v1", "v2", "constructor", "none");
  const some = fc.array(revisions(), { minLength: 1, maxLength: 4 });
  return fc.oneof(
    { weight: 4, arbitrary: fc.tuple(names, revisions()).map(([branch, revision]) => record.commit(id, branch, revision)) },
    { weight: 2, arbitrary: some.map((seeds) => record.trash(id, ...seeds)) },
    { weight: 2, arbitrary: some.map((seeds) => record.purge(id, ...seeds)) },
    some.map((seeds) => record.untrash(id, ...seeds)),
    fc.tuple(revisions(), fc.string({ unit: "binary", maxLength: 20 })).map(([revision, text]) => record.label(id, revision, text)),
    fc.option(fc.integer({ min: 1, max: 9 }), { nil: null }).map((keepLast) => {
      return record.settings(id, { retention: keepLast === null ? null : { keepLast } });
    }),
    names.map((name) => record.lock(id, name)),
    names.map((name) => record.unlock(id, name)),
    fc.tuple(names, seed()).map(([name, revision]) => record.tag(id, name, revision)),
    names.map((name) => record.untag(id, name, "a")),
    names.map((name) => record.unbranch(id, name, "a")),
    fc.constant(record.end(id)),
  );
}

function allRepositoryQuestions(repositories: Parameters<typeof repositoryQuestions>[0], id: RepositoryId): Question[] {
  const one = REVISIONS.flatMap((text) => [
    { name: `revision ${text}`, ask: () => repositories.findRevision(id, revisionOf(text)) },
    { name: `fate ${text}`, ask: () => repositories.envelopeFate(id, attemptOf(text)) },
  ]);
  return [...repositoryQuestions(repositories, id), ...one];
}

function allSystemQuestions(system: Parameters<typeof systemQuestions>[0]): Question[] {
  const one = SEEDS.flatMap((text) => [
    { name: `name ${text}`, ask: () => system.findRepository(nameOf(`team/${text}`)) },
    { name: `moved ${text}`, ask: () => system.findMoved(nameOf(`team/${text}`)) },
    { name: `trash ${text}`, ask: () => system.findTrashed(repositoryIdOf(text)) },
    { name: `id ${text}`, ask: async () => [...(await system.namesOf([repositoryIdOf(text)]))] },
    ...[text, `${text} x`, `${text} y`, `${text} z`].map((secret) => {
      return { name: `token ${secret}`, ask: () => system.findToken(digestOf(secret)) };
    }),
  ]);
  return [
    ...systemQuestions(system),
    ...one,
    { name: "operation", ask: async () => (await system.findOperation(operationOf("system", 1))).seq },
  ];
}
