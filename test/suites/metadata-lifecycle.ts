/** Promises of RepositoryIndex about what happens to revisions and repositories after their commit: labels, trash, purge, settings, end. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { RepositoryIndex } from "../../functions/registry/ports.ts";
import type { CommitRecord, RepositoryRecord } from "../../functions/registry/records.ts";
import type { Usage } from "../../shared/contract/repositories.ts";
import type { RevisionId } from "../../shared/names.ts";
import * as record from "../support/chain.ts";
import { attemptOf, type Chain, type Entry, refOf, repositoryChain, repositoryIdOf, revisionOf } from "../support/chain.ts";
import { answersOf, replay } from "../support/log-index.ts";
import type { MakeIndexes } from "./metadata.ts";
import { follower, repositoryQuestions } from "./metadata-repositories.ts";

const ID = repositoryIdOf("team/llama");
const NONE: Usage = { logicalBytes: 0, storedBytes: 0, objects: 0 };
/** What JSON escapes, and what it does not though it is a control character. */
const STRANGE = '"a"\n{b}\u007f \\ ü';

export function lifecycleSuite(name: string, make: MakeIndexes): void {
  describe(`lifecycle in the repository index ${name}`, () => {
    tagsAndSettings(make);
    labels(make);
    trash(make);
    purge(make);
    adoption(make);
    end(make);
    repeats(make);
  });
}

/** Commits c1 … c4, of which c3 is on a branch of its own. */
async function begun(repositories: RepositoryIndex): Promise<Chain<RepositoryRecord>> {
  const chain = repositoryChain();
  for (const seed of ["c1", "c2", "c3", "c4"]) await chain.add(record.commit(ID, seed === "c3" ? "feature/x" : "main", seed));
  await replay(follower(repositories), chain.entries);
  return chain;
}

async function add(repositories: RepositoryIndex, chain: Chain<RepositoryRecord>, body: Parameters<typeof chain.add>[0]) {
  const entry = await chain.add(body);
  await repositories.apply(entry.record, entry.hash);
  return entry.record;
}

/** What the commits of these seeds count for. */
function usageOf(entries: readonly Entry<RepositoryRecord>[], ...seeds: string[]): Usage {
  const commits = entries.map((entry) => entry.record).filter((commit): commit is CommitRecord => commit.op === "commit");
  const counted = seeds.map((seed) => commits.find((commit) => commit.revision === revisionOf(seed)));
  const sum = (of: (commit: CommitRecord) => number) => counted.reduce((total, commit) => total + (commit ? of(commit) : Number.NaN), 0);
  return { logicalBytes: sum((c) => c.sizeBytes), storedBytes: sum((c) => c.newBytes), objects: sum((c) => c.newChunks) };
}

async function listed(repositories: RepositoryIndex, branch?: string): Promise<RevisionId[]> {
  const query = branch === undefined ? { limit: 2_000 } : { branch: refOf(branch), limit: 2_000 };
  return (await repositories.listRevisions(ID, query)).map((entry) => entry.revision);
}

function tagsAndSettings(make: MakeIndexes): void {
  test("knows which record set each tag, and which tags are locked", async () => {
    const { repositories } = make();
    const chain = await begun(repositories);
    await add(repositories, chain, record.tag(ID, "v1", "c1"));
    await add(repositories, chain, record.tag(ID, "v2", "c1"));
    await add(repositories, chain, record.lock(ID, "v2"));
    await add(repositories, chain, record.lock(ID, "prod"));
    await add(repositories, chain, record.tag(ID, "v1", "c2"));
    const { tags, tagSeqs, lockedTags } = await repositories.refs(ID);
    assert.deepEqual(tags, { v1: revisionOf("c2"), v2: revisionOf("c1") });
    assert.deepEqual(tagSeqs, { v1: 9, v2: 6 });
    assert.deepEqual(lockedTags, ["prod", "v2"]);
    assert.equal(await repositories.resolveName(ID, refOf("v1")), revisionOf("c2"));
    await add(repositories, chain, record.unlock(ID, "v2"));
    await add(repositories, chain, record.untag(ID, "v2", "c1"));
    const then = await repositories.refs(ID);
    assert.deepEqual([then.tags, then.tagSeqs, then.lockedTags], [{ v1: revisionOf("c2") }, { v1: 9 }, ["prod"]]);
  });

  test("settings are those of the newest record, and what a record leaves out is unset", async () => {
    const { repositories } = make();
    const chain = await begun(repositories);
    const retention = { keepLast: 5, keepBest: { metric: STRANGE, count: 2, order: "min" as const } };
    await add(repositories, chain, record.settings(ID, { retention, quota: { storedBytes: 7 } }));
    const quota = { logicalBytes: null, storedBytes: 7, objects: null };
    assert.deepEqual((await repositories.refs(ID)).settings, { retention, quota });
    await add(repositories, chain, record.settings(ID, { quota: {} }));
    assert.deepEqual((await repositories.refs(ID)).settings, {
      retention: null,
      quota: { logicalBytes: null, storedBytes: null, objects: null },
    });
  });
}

function labels(make: MakeIndexes): void {
  test("labels that name stores are kept together, until they are taken away or the revision is purged", async () => {
    const { repositories } = make();
    const chain = await begun(repositories);
    const deploys = async () => (await repositories.refs(ID)).deploys;
    const ask = (seed: string, labels: Record<string, string>) =>
      add(repositories, chain, { ...record.label(ID, seed, ""), op: "label", labels } as ReturnType<typeof record.label>);
    await ask("c1", { "deploy/west": "", "deploy/oss-sh": "yes", "deploy/No Store": "", deploy: "east" });
    await ask("c2", { "deploy/west": "later" });
    assert.deepEqual(await deploys(), { [revisionOf("c1")]: ["west", "oss-sh"], [revisionOf("c2")]: ["west"] });
    await ask("c2", { stage: "test" });
    await add(repositories, chain, record.trash(ID, "c1"));
    assert.deepEqual(Object.keys(await deploys()), [revisionOf("c1")]);
    await add(repositories, chain, record.purge(ID, "c1"));
    assert.deepEqual(await deploys(), {});
  });

  test("a label replaces labels and metrics, says who and when, and changes nothing else, in the trash too", async () => {
    const { repositories } = make();
    const chain = await begun(repositories);
    const before = await repositories.findRevision(ID, revisionOf("c1"));
    const others = await listed(repositories);
    for (const text of [STRANGE, "short"]) {
      const { actor, at } = await add(repositories, chain, record.label(ID, "c1", text));
      const expected = { ...before, labels: { note: text }, metrics: { loss: "1e-3" }, modifiedBy: actor, modifiedAt: at };
      assert.deepEqual(await repositories.findRevision(ID, revisionOf("c1")), expected);
    }
    const { at: deletedAt } = await add(repositories, chain, record.trash(ID, "c1"));
    const { actor, at } = await add(repositories, chain, record.label(ID, "c1", "in the trash"));
    const changes = { labels: { note: "in the trash" }, metrics: { loss: "1e-3" }, modifiedBy: actor, modifiedAt: at };
    assert.deepEqual(await repositories.findRevision(ID, revisionOf("c1")), { ...before, ...changes, deletedAt });
    await add(repositories, chain, record.label(ID, "unknown", "x"));
    assert.equal(await repositories.findRevision(ID, revisionOf("unknown")), null);
    assert.deepEqual(await listed(repositories), others);
  });
}

function trash(make: MakeIndexes): void {
  test("a revision in the trash is found and listed with the time of its delete, is not counted, and comes back as it was", async () => {
    const { repositories } = make();
    const chain = await begun(repositories);
    const before = await repositories.findRevision(ID, revisionOf("c2"));
    const order = await listed(repositories);
    const { at: deletedAt } = await add(repositories, chain, record.trash(ID, "c2", "unknown", "c3", "c2"));
    await add(repositories, chain, record.trash(ID, "c2"));
    assert.deepEqual(await repositories.findRevision(ID, revisionOf("c2")), { ...before, deletedAt });
    assert.deepEqual(await listed(repositories), order);
    assert.equal(await repositories.findRevision(ID, revisionOf("unknown")), null);
    const { revisionCount, usage } = await repositories.refs(ID);
    assert.equal(revisionCount, 2);
    assert.deepEqual(usage, usageOf(chain.entries, "c1", "c2", "c3", "c4"), "what is in the trash counts against quotas");
    assert.deepEqual(await repositories.envelopeFate(ID, attemptOf("c2")), { state: "living" });
    await add(repositories, chain, record.untrash(ID, "c2", "c1", "unknown", "c2"));
    assert.deepEqual(await repositories.findRevision(ID, revisionOf("c2")), before);
    assert.equal((await repositories.refs(ID)).revisionCount, 3);
  });

  test("a thousand revisions go into the trash, come back, and are purged by one record each", async () => {
    const { repositories } = make();
    const chain = repositoryChain();
    const seeds = Array.from({ length: 1_000 }, (_, at) => `r${at}`);
    for (const seed of seeds) await chain.add(record.commit(ID, "main", seed));
    await chain.add(record.commit(ID, "main", "last"));
    await replay(follower(repositories), chain.entries);
    const counts: number[] = [];
    for (const body of [record.trash(ID, ...seeds), record.untrash(ID, ...seeds), record.trash(ID, ...seeds), record.purge(ID, ...seeds)]) {
      await add(repositories, chain, body);
      counts.push((await repositories.refs(ID)).revisionCount);
    }
    assert.deepEqual(counts, [1, 1_001, 1, 1]);
    assert.deepEqual(await listed(repositories), [revisionOf("last")]);
    assert.deepEqual(await listed(repositories, "main"), [revisionOf("last")]);
    assert.deepEqual((await repositories.refs(ID)).usage, usageOf(chain.entries, "last"));
    assert.deepEqual(await repositories.envelopeFate(ID, attemptOf("r7")), { state: "purged", commitSeq: 8, purgeSeq: 1_005 });
  });
}

function purge(make: MakeIndexes): void {
  test("only what is in the trash is purged: gone from every listing and from usage, with its envelope's fate kept", async () => {
    const { repositories } = make();
    const chain = await begun(repositories);
    await add(repositories, chain, record.trash(ID, "c2", "c3"));
    await add(repositories, chain, record.purge(ID, "c1", "c3", "unknown", "c3"));
    assert.equal(await repositories.findRevision(ID, revisionOf("c3")), null);
    const revisions = (...seeds: string[]) => seeds.map((seed) => revisionOf(seed));
    assert.deepEqual(await listed(repositories), revisions("c4", "c2", "c1"));
    assert.deepEqual(await listed(repositories, "feature/x"), []);
    const { revisionCount, usage } = await repositories.refs(ID);
    assert.equal(revisionCount, 2);
    assert.deepEqual(usage, usageOf(chain.entries, "c1", "c2", "c4"));
    assert.deepEqual(await repositories.envelopeFate(ID, attemptOf("c3")), { state: "purged", commitSeq: 3, purgeSeq: 6 });
    for (const seed of ["c1", "c2"]) assert.deepEqual(await repositories.envelopeFate(ID, attemptOf(seed)), { state: "living" });
    assert.equal(await repositories.envelopeFate(ID, attemptOf("unknown")), null);
    const gone = await answersOf(repositoryQuestions(repositories).slice(1));
    for (const body of [record.untrash(ID, "c3"), record.trash(ID, "c3"), record.purge(ID, "c3"), record.label(ID, "c3", "x")]) {
      await add(repositories, chain, body);
    }
    const { seq: _, ...then } = await repositories.refs(ID);
    assert.deepEqual({ ...then, seq: 6 }, gone[0]?.state === "answered" ? gone[0].value : null);
    assert.deepEqual((await answersOf(repositoryQuestions(repositories).slice(1))).slice(1), gone.slice(1), "nothing brings it back");
  });

  test("when all is purged nothing counts, and sums beyond what numbers hold stand still instead of failing", async () => {
    const { repositories } = make();
    const chain = repositoryChain();
    const sizeBytes = Number.MAX_SAFE_INTEGER;
    await repositories.begin(ID, 0);
    for (const seed of ["a", "b", "c"]) await add(repositories, chain, { ...record.commit(ID, "main", seed), sizeBytes });
    assert.equal((await repositories.refs(ID)).usage.logicalBytes, Number.MAX_SAFE_INTEGER);
    await add(repositories, chain, record.trash(ID, "a", "b", "c"));
    await add(repositories, chain, record.purge(ID, "a", "b", "c"));
    const { usage, revisionCount } = await repositories.refs(ID);
    assert.deepEqual([usage.storedBytes, usage.objects, revisionCount], [0, 0, 0]);
  });
}

function adoption(make: MakeIndexes): void {
  test("a revision that adopts an envelope is there by it alone, whose fate goes on; the old one is ended by that record", async () => {
    const { repositories } = make();
    const chain = await begun(repositories);
    await add(repositories, chain, record.trash(ID, "c1"));
    const before = [await repositories.findRevision(ID, revisionOf("c1")), await repositories.findRevision(ID, revisionOf("c2"))];
    const refs = await repositories.refs(ID);
    for (const seed of ["c1", "c2", "unknown"]) await add(repositories, chain, record.adopt(ID, seed, `${seed} once more`));
    await add(repositories, chain, record.adopt(ID, "c2", "c2 a third time"));
    const after = [await repositories.findRevision(ID, revisionOf("c1")), await repositories.findRevision(ID, revisionOf("c2"))];
    const attempts = [attemptOf("c1 once more"), attemptOf("c2 a third time")];
    assert.deepEqual(
      after,
      before.map((entry, at) => ({ ...entry, attempt: attempts[at] })),
    );
    assert.deepEqual({ ...(await repositories.refs(ID)), seq: refs.seq }, refs);
    await add(repositories, chain, record.purge(ID, "c1"));
    const fates = ["c1", "c1 once more", "c2", "c2 once more", "c2 a third time", "unknown once more"].map(attemptOf);
    assert.deepEqual(await Promise.all(fates.map((attempt) => repositories.envelopeFate(ID, attempt))), [
      { state: "purged", commitSeq: 1, purgeSeq: 6 },
      { state: "purged", commitSeq: 6, purgeSeq: 10 },
      { state: "purged", commitSeq: 2, purgeSeq: 7 },
      { state: "purged", commitSeq: 7, purgeSeq: 9 },
      { state: "living" },
      null,
    ]);
  });
}

function end(make: MakeIndexes): void {
  test("of a repository that ended nothing is left but that it ended", async () => {
    const { repositories } = make();
    const chain = await begun(repositories);
    await add(repositories, chain, record.tag(ID, "v1", "c1"));
    await add(repositories, chain, record.lock(ID, "v1"));
    await add(repositories, chain, record.settings(ID, { retention: { keepLast: 1 } }));
    await add(repositories, chain, record.trash(ID, "c1"));
    await add(repositories, chain, record.purge(ID, "c1"));
    await add(repositories, chain, record.end(ID));
    assert.deepEqual(await repositories.refs(ID), {
      seq: 10,
      revisionCount: 0,
      branches: {},
      tags: {},
      tagSeqs: {},
      lockedTags: [],
      deploys: {},
      settings: { retention: null, quota: null },
      usage: NONE,
      ended: true,
    });
    assert.deepEqual(await listed(repositories), []);
    assert.equal(await repositories.findRevision(ID, revisionOf("c2")), null);
    assert.equal(await repositories.resolveName(ID, refOf("main")), null);
    for (const seed of ["c1", "c2", "unknown"]) {
      assert.deepEqual(await repositories.envelopeFate(ID, attemptOf(seed)), { state: "ended", seq: 10 });
    }
    assert.deepEqual(await repositories.head(ID), { seq: 10, hash: chain.entries.at(-1)?.hash });
    assert.equal((await repositories.findOperation(ID, record.operationOf("repository", 10))).seq, 10);
  });
}

function repeats(make: MakeIndexes): void {
  test("whatever a record does, applying it again does nothing", async () => {
    const { repositories } = make();
    const chain = await begun(repositories);
    const bodies = [
      record.tag(ID, "v2", "c2"),
      record.lock(ID, "v2"),
      record.label(ID, "c2", "x"),
      record.adopt(ID, "c2", "elsewhere"),
      record.adopt(ID, "c3", "there"),
      record.settings(ID, { retention: { keepLast: 1 } }),
      record.trash(ID, "c2", "c3"),
      record.untrash(ID, "c2"),
      record.purge(ID, "c3"),
      record.unlock(ID, "v2"),
      record.end(ID),
    ];
    const questions = repositoryQuestions(repositories);
    for (const body of bodies) {
      const { record: once, hash } = await chain.add(body);
      await repositories.apply(once, hash);
      const answers = await answersOf(questions);
      await repositories.apply(once, hash);
      await replay(follower(repositories), chain.entries);
      assert.deepEqual(await answersOf(questions), answers, body.op);
    }
  });
}
