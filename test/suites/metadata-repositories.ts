/** Promises of RepositoryIndex; those that both logs' indexes share are tried here too, as its log is quickest to fill. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { RepositoryIndex } from "../../functions/registry/ports.ts";
import type { RepositoryRecord } from "../../functions/registry/records.ts";
import type { RepositoryId } from "../../shared/contract/repositories.ts";
import type { Digest } from "../../shared/digest.ts";
import {
  attemptOf,
  type Chain,
  commit,
  digestOf,
  label,
  operationOf,
  purge,
  refOf,
  repositoryChain,
  repositoryIdOf,
  revisionOf,
  tag,
  trash,
  unbranch,
  untag,
} from "../support/chain.ts";
import { answersOf, assertHonest, type Question, REBUILDING, replay } from "../support/log-index.ts";
import type { MakeIndexes } from "./metadata.ts";

const ID = repositoryIdOf("team/llama");

/** Commits c1 … c6 on three branches, of which one goes again; a tag that goes; a tag named like a branch. */
async function fullChain(id: RepositoryId = ID): Promise<Chain<RepositoryRecord>> {
  const chain = repositoryChain();
  await chain.add(commit(id, "main", "c1"));
  await chain.add(tag(id, "v1", "c1"));
  await chain.add(commit(id, "main", "c2", revisionOf("c1")));
  await chain.add(commit(id, "main-2", "c3"));
  await chain.add(tag(id, "v2", "c2"));
  await chain.add(commit(id, "feature/x", "c4", revisionOf("c2")));
  await chain.add(untag(id, "v1", "c1"));
  await chain.add(commit(id, "main", "c5", revisionOf("c2")));
  await chain.add(unbranch(id, "feature/x", "c4"));
  await chain.add(tag(id, "main", "c1"));
  await chain.add(commit(id, "main", "c6", revisionOf("c5")));
  return chain;
}

/** The index of one repository, as a replayer sees it. */
export function follower(repositories: RepositoryIndex, id: RepositoryId = ID) {
  return {
    begin: (tailSeq: number) => repositories.begin(id, tailSeq),
    apply: (record: RepositoryRecord, hash: Digest) => repositories.apply(record, hash),
  };
}

export function repositoryQuestions(repositories: RepositoryIndex, id: RepositoryId = ID): Question[] {
  return [
    { name: "head", ask: () => repositories.head(id) },
    { name: "refs", ask: () => repositories.refs(id) },
    { name: "findRevision", ask: () => repositories.findRevision(id, revisionOf("c2")) },
    { name: "findRevision of none", ask: () => repositories.findRevision(id, revisionOf("none")) },
    { name: "findRevision of one that may be purged", ask: () => repositories.findRevision(id, revisionOf("c3")) },
    { name: "envelopeFate", ask: () => repositories.envelopeFate(id, attemptOf("c2")) },
    { name: "envelopeFate of one that may be purged", ask: () => repositories.envelopeFate(id, attemptOf("c3")) },
    { name: "envelopeFate of none", ask: () => repositories.envelopeFate(id, attemptOf("none")) },
    { name: "signatures", ask: () => repositories.signatures(id, digestOf("c2")) },
    { name: "signatures of none", ask: () => repositories.signatures(id, digestOf("none")) },
    { name: "resolveName of a branch", ask: () => repositories.resolveName(id, refOf("main")) },
    { name: "resolveName of a tag", ask: () => repositories.resolveName(id, refOf("v2")) },
    { name: "resolveName of none", ask: () => repositories.resolveName(id, refOf("v1")) },
    { name: "listRevisions", ask: () => repositories.listRevisions(id, { limit: 100 }) },
    { name: "listRevisions of a branch", ask: () => repositories.listRevisions(id, { branch: refOf("main"), limit: 100 }) },
    { name: "listRevisions of no branch", ask: () => repositories.listRevisions(id, { branch: refOf("none"), limit: 100 }) },
    { name: "findOperation", ask: async () => (await repositories.findOperation(id, operationOf("repository", 3))).seq },
    { name: "findOperation of none", ask: async () => (await repositories.findOperation(id, operationOf("repository", 999))).seq },
  ];
}

export function repositoryIndexSuite(name: string, make: MakeIndexes): void {
  describe(`repository index ${name}`, () => {
    reads(make);
    applying(make);
    replaying(make);
    operations(make);
    fence(make);
    damage(make);
  });
}

function reads(make: MakeIndexes): void {
  test("of an empty log it is whole and finds nothing", async () => {
    const { repositories } = make();
    await repositories.begin(ID, 0);
    assert.deepEqual(await repositories.head(ID), { seq: 0, hash: null });
    assert.deepEqual(await repositories.refs(ID), {
      seq: 0,
      revisionCount: 0,
      branches: {},
      tags: {},
      tagSeqs: {},
      lockedTags: [],
      deploys: {},
      settings: { retention: null, quota: null },
      usage: { logicalBytes: 0, storedBytes: 0, objects: 0 },
      ended: false,
    });
    assert.deepEqual(await repositories.listRevisions(ID, { limit: 5 }), []);
    assert.equal(await repositories.resolveName(ID, refOf("main")), null);
    assert.equal(await repositories.findRevision(ID, revisionOf("c1")), null);
  });

  test("knows where branches and tags point, and prefers the branch where a tag has its name", async () => {
    const { repositories } = make();
    const chain = await fullChain();
    await replay(follower(repositories), chain.entries);
    const { seq, revisionCount, branches, tags, tagSeqs } = await repositories.refs(ID);
    assert.deepEqual([seq, revisionCount], [11, 6]);
    assert.deepEqual(branches, { main: revisionOf("c6"), "main-2": revisionOf("c3") });
    assert.deepEqual(tags, { v2: revisionOf("c2"), main: revisionOf("c1") });
    assert.deepEqual(tagSeqs, { v2: 5, main: 10 });
    assert.equal(await repositories.resolveName(ID, refOf("main")), revisionOf("c6"));
    assert.equal(await repositories.resolveName(ID, refOf("v2")), revisionOf("c2"));
    for (const gone of ["v1", "feature/x", "mai"]) assert.equal(await repositories.resolveName(ID, refOf(gone)), null, gone);
  });

  test("gives back what a commit's record says, and keeps revisions of a branch that is gone", async () => {
    const { repositories } = make();
    const chain = await fullChain();
    await replay(follower(repositories), chain.entries);
    const record = chain.entries[2]?.record;
    assert.ok(record?.op === "commit");
    const { v: _, prev: __, op: ___, operationId: ____, repositoryId: _____, actor: author, at: time, ...told } = record;
    const expected = { ...told, author, time, modifiedBy: null, modifiedAt: null, deletedAt: null };
    assert.deepEqual(await repositories.findRevision(ID, revisionOf("c2")), expected);
    assert.equal((await repositories.findRevision(ID, revisionOf("c4")))?.branch, "feature/x");
  });

  test("lists revisions newest first, of all or one branch, page by page, and every one once", async () => {
    const { repositories } = make();
    await replay(follower(repositories), (await fullChain()).entries);
    const listed = async (query: { branch?: string; limit: number }) => {
      const all: string[] = [];
      for (let before: number | undefined; ; ) {
        const branch = query.branch === undefined ? {} : { branch: refOf(query.branch) };
        const page = await repositories.listRevisions(ID, { ...branch, before, limit: query.limit });
        all.push(...page.map((entry) => entry.revision));
        before = page.at(-1)?.seq;
        if (page.length < query.limit) return all;
      }
    };
    const revisions = (...seeds: string[]) => seeds.map((seed) => revisionOf(seed));
    for (const limit of [1, 2, 4, 100]) {
      assert.deepEqual(await listed({ limit }), revisions("c6", "c5", "c4", "c3", "c2", "c1"), `all, ${limit} a page`);
      assert.deepEqual(await listed({ branch: "main", limit }), revisions("c6", "c5", "c2", "c1"), `main, ${limit} a page`);
      assert.deepEqual(await listed({ branch: "feature/x", limit }), revisions("c4"), `feature/x, ${limit} a page`);
      assert.deepEqual(await listed({ branch: "feature", limit }), [], `feature, ${limit} a page`);
    }
  });

  test("keeps repositories apart", async () => {
    const { repositories } = make();
    const other = repositoryIdOf("team/other");
    await replay(follower(repositories), (await fullChain()).entries);
    assert.equal(await repositories.head(other), null);
    await assert.rejects(repositories.refs(other), REBUILDING);
    await repositories.begin(other, 0);
    assert.equal(await repositories.resolveName(other, refOf("main")), null);
    assert.equal(await repositories.findRevision(other, revisionOf("c1")), null);
  });
}

function applying(make: MakeIndexes): void {
  test("a record that was applied is skipped, one that would leave a gap is refused; both change nothing", async () => {
    const { repositories } = make();
    const { entries } = await fullChain();
    await repositories.begin(ID, 0);
    for (const { record, hash } of entries.slice(0, 5)) await repositories.apply(record, hash);
    const before = await answersOf(repositoryQuestions(repositories));
    for (const { record, hash } of entries.slice(0, 5).reverse()) await repositories.apply(record, hash);
    for (const { record, hash } of entries.slice(6)) await assert.rejects(repositories.apply(record, hash), REBUILDING);
    assert.deepEqual(await answersOf(repositoryQuestions(repositories)), before);
  });

  test("many records at once leave what they leave one by one, whatever of them is applied already", async () => {
    const alone = make().repositories;
    const { entries } = await fullChain();
    await replay(follower(alone), entries);
    const { repositories } = make();
    await repositories.begin(ID, entries.length);
    await repositories.applyMany([]);
    await repositories.applyMany(entries.slice(0, 4));
    await repositories.applyMany(entries.slice(2));
    assert.deepEqual(await answersOf(repositoryQuestions(repositories)), await answersOf(repositoryQuestions(alone)));
    const other = make().repositories;
    await other.begin(ID, 0);
    await assert.rejects(other.applyMany([...entries.slice(0, 2), ...entries.slice(3)]), REBUILDING);
    assert.equal((await other.head(ID))?.seq, 2);
  });

  test("heads of many are what each one's head is", async () => {
    const { repositories, loseKey } = make();
    const ids = Array.from({ length: 120 }, (_, at) => repositoryIdOf(`many ${at}`));
    for (const [at, id] of ids.entries()) {
      if (at % 3 === 0) continue;
      const { record, hash } = await repositoryChain().add(commit(id, "main", "c1"));
      await repositories.begin(id, at % 3 === 1 ? 1 : 5);
      await repositories.apply(record, hash);
    }
    await loseKey(`repo:${ids[4]}:revisions`);
    const heads = await repositories.heads(ids);
    assert.deepEqual(heads, await Promise.all(ids.map((id) => repositories.head(id))));
    assert.equal(heads.filter((head) => head !== null).length, 39);
  });

  test("what is applied is read at once", async () => {
    const { repositories } = make();
    const chain = repositoryChain();
    await repositories.begin(ID, 0);
    for (let at = 1; at <= 40; at++) {
      const { record, hash } = await chain.add(commit(ID, "main", `r${at}`));
      await repositories.apply(record, hash);
      assert.equal(await repositories.resolveName(ID, refOf("main")), revisionOf(`r${at}`));
      assert.equal((await repositories.listRevisions(ID, { limit: 1 }))[0]?.seq, at);
    }
  });

  test("racing appliers of the same records leave what one would leave", async () => {
    const { repositories } = make();
    const { entries } = await fullChain();
    await repositories.begin(ID, 0);
    for (const { record, hash } of entries) await Promise.all([1, 2, 3, 4].map(() => repositories.apply(record, hash)));
    const alone = make().repositories;
    await replay(follower(alone), entries);
    assert.deepEqual(await answersOf(repositoryQuestions(repositories)), await answersOf(repositoryQuestions(alone)));
  });

  test("a record that contradicts what was applied shows that the index followed another log: it is dropped", async () => {
    const ours = await fullChain();
    const theirs = repositoryChain("another log");
    await theirs.add(commit(ID, "main", "another"));
    for (const { record } of ours.entries.slice(1)) await theirs.add(record);
    for (const at of [4, 5]) {
      const { repositories } = make();
      await replay(follower(repositories), ours.entries.slice(0, 5));
      const strange = theirs.entries[at];
      assert.ok(strange);
      await assert.rejects(repositories.apply(strange.record, strange.hash), REBUILDING, `record ${at + 1}`);
      assert.equal(await repositories.head(ID), null);
      await assert.rejects(repositories.refs(ID), REBUILDING);
      await replay(follower(repositories), theirs.entries);
      assert.deepEqual(await repositories.head(ID), { seq: 11, hash: theirs.entries.at(-1)?.hash });
    }
  });
}

function replaying(make: MakeIndexes): void {
  test("until the replay reaches its tail nothing is answered; then everything is", async () => {
    const { repositories } = make();
    const { entries } = await fullChain();
    await repositories.begin(ID, entries.length);
    for (const { record, hash } of entries) {
      assert.equal(await repositories.head(ID), null);
      for (const { name, ask } of repositoryQuestions(repositories).slice(1)) await assert.rejects(ask(), REBUILDING, name);
      await repositories.apply(record, hash);
    }
    assert.deepEqual(await repositories.head(ID), { seq: 11, hash: entries.at(-1)?.hash });
  });

  test("a second replayer takes nothing from the first, and each may finish what the other began", async () => {
    const { repositories } = make();
    const { entries } = await fullChain();
    assert.deepEqual(await repositories.begin(ID, 11), { seq: 0, hash: null });
    for (const { record, hash } of entries.slice(0, 6)) await repositories.apply(record, hash);
    assert.deepEqual(await repositories.begin(ID, 11), { seq: 6, hash: entries[5]?.hash });
    // Had the second begin dropped anything, this would leave a gap.
    for (const { record, hash } of entries.slice(6)) await repositories.apply(record, hash);
    assert.equal((await repositories.refs(ID)).revisionCount, 6);
    assert.deepEqual(await repositories.begin(ID, 11), { seq: 11, hash: entries[10]?.hash });
    assert.equal((await repositories.refs(ID)).revisionCount, 6);
  });

  test("replayers that run at once all succeed", async () => {
    const { repositories } = make();
    const { entries } = await fullChain();
    await Promise.all([1, 2, 3].map(() => replay(follower(repositories), entries)));
    const alone = make().repositories;
    await replay(follower(alone), entries);
    assert.deepEqual(await answersOf(repositoryQuestions(repositories)), await answersOf(repositoryQuestions(alone)));
  });

  test("a replay whose tail is known to be further on keeps an index that lags from answering", async () => {
    const { repositories } = make();
    const { entries } = await fullChain();
    await replay(follower(repositories), entries.slice(0, 8));
    await repositories.begin(ID, 11);
    await assert.rejects(repositories.resolveName(ID, refOf("main")), REBUILDING);
    await repositories.begin(ID, 9);
    for (const { record, hash } of entries.slice(8)) {
      assert.equal(await repositories.head(ID), null, `before record ${record.seq}`);
      await repositories.apply(record, hash);
    }
    assert.equal(await repositories.resolveName(ID, refOf("main")), revisionOf("c6"));
  });
}

function operations(make: MakeIndexes): void {
  test("finds each of the newest 256 operations by its id, and no older one", async () => {
    const { repositories } = make();
    const chain = repositoryChain();
    for (let at = 1; at <= 300; at++) await chain.add(tag(ID, `t${at % 7}`, `c${at}`));
    await replay(follower(repositories), chain.entries);
    for (const seq of [45, 46, 100, 256, 257, 300]) {
      assert.equal((await repositories.findOperation(ID, operationOf("repository", seq))).seq, seq);
    }
    for (const seq of [1, 43, 44, 301]) assert.equal((await repositories.findOperation(ID, operationOf("repository", seq))).seq, null);
  });
}

function fence(make: MakeIndexes): void {
  test("a read that knows the log to be further answers nothing; one that knows it as it is answers", async () => {
    const { repositories } = make();
    const chain = await fullChain();
    await replay(follower(repositories), chain.entries);
    const answers = await answersOf(repositoryQuestions(repositories.atLeast(chain.seq), ID));
    assert.deepEqual(answers, await answersOf(repositoryQuestions(repositories, ID)));
    const beyond = repositoryQuestions(repositories.atLeast(chain.seq + 1), ID).filter(({ name }) => name !== "head");
    for (const answer of await answersOf(beyond)) assert.equal(answer.state, "rebuilding");
  });
}

function damage(make: MakeIndexes): void {
  test("whichever key is lost: head is null, each read answers the truth or that it is rebuilding, and a replay heals it", async () => {
    const chain = await fullChain();
    await chain.add(label(ID, "c2", "another"));
    await chain.add(trash(ID, "c2", "c3", "c4"));
    await chain.add(purge(ID, "c3"));
    for (const part of ["", ":revisions", ":order"]) {
      const { repositories, loseKey } = make();
      const questions = repositoryQuestions(repositories);
      await replay(follower(repositories), chain.entries);
      const truth = await answersOf(questions);
      await loseKey(`repo:${ID}${part}`);
      assert.equal(await repositories.head(ID), null, part);
      const refused = assertHonest(questions.slice(1), (await answersOf(questions)).slice(1), truth.slice(1), `without repo:<id>${part}`);
      assert.ok(refused > 0, `a read notices that repo:<id>${part} is lost`);
      for (const { record, hash } of chain.entries) await assert.rejects(repositories.apply(record, hash), REBUILDING);
      await replay(follower(repositories), chain.entries);
      assert.deepEqual(await answersOf(questions), truth, `after the replay for repo:<id>${part}`);
    }
  });
}
