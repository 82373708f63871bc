/** Promises of SystemIndex. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { SystemIndex, TokenEntry } from "../../functions/registry/ports.ts";
import {
  addKey,
  block,
  create,
  digestOf,
  grantUser,
  hex,
  makeToken,
  nameOf,
  operationOf,
  purgeRepository,
  remove,
  rename,
  repositoryIdOf,
  restore,
  revoke,
  revokeKey,
  rotate,
  systemChain,
  unblock,
} from "../support/chain.ts";
import { answersOf, assertHonest, type Question, REBUILDING, replay } from "../support/log-index.ts";
import type { MakeIndexes } from "./metadata.ts";

const NAMES = ["team/llama", "team/llama-2", "team/llama.cpp", "team-a/x", "team.a/x", "team/Upper", "a/b", "z/0"];

async function fullChain() {
  const chain = systemChain();
  for (const name of NAMES) await chain.add(create(name));
  await chain.add(remove("team/llama-2"));
  for (const seed of ["one", "two", "three"]) await chain.add(makeToken(seed));
  await chain.add(revoke("two"));
  await chain.add(rotate("three", "three'", 3_600));
  await chain.add(block("a/b"));
  for (const seed of ["one", "two"]) await chain.add(addKey(seed));
  await chain.add(revokeKey("two"));
  await chain.add(grantUser("admins"));
  for (const [from, to] of [
    ["z/0", "z/1"],
    ["z/1", "z/0"],
  ] as const)
    await chain.add(rename(from, to, repositoryIdOf("z/0")));
  return chain;
}

/** Every read of the port, with answers that are there and answers that are not. */
export function systemQuestions(system: SystemIndex): Question[] {
  return [
    { name: "head", ask: () => system.head() },
    { name: "findRepository of a living one", ask: () => system.findRepository(nameOf("team/llama")) },
    { name: "findRepository of a deleted one", ask: () => system.findRepository(nameOf("team/llama-2")) },
    { name: "namesOf", ask: async () => [...(await system.namesOf(["a/b", "team/llama-2", "none/x"].map((n) => repositoryIdOf(n))))] },
    { name: "findMoved", ask: () => system.findMoved(nameOf("z/1")) },
    { name: "findMoved of one that never moved", ask: () => system.findMoved(nameOf("team/llama")) },
    { name: "findTrashed", ask: () => system.findTrashed(repositoryIdOf("team/llama-2")) },
    { name: "findTrashed of a living one", ask: () => system.findTrashed(repositoryIdOf("a/b")) },
    { name: "listTrash", ask: () => system.listTrash({ limit: 100 }) },
    { name: "listRepositories", ask: () => system.listRepositories({ limit: 100 }) },
    { name: "findToken", ask: () => system.findToken(digestOf("one")) },
    { name: "findToken of a revoked one", ask: () => system.findToken(digestOf("two")) },
    { name: "findToken of none", ask: () => system.findToken(digestOf("none")) },
    { name: "findToken of a secret that was rotated", ask: () => system.findToken(digestOf("three")) },
    { name: "findToken of its new secret", ask: () => system.findToken(digestOf("three'")) },
    { name: "findTokenById", ask: () => system.findTokenById(hex("id three", 16)) },
    { name: "directory", ask: () => system.directory() },
    { name: "listTokens", ask: () => system.listTokens() },
    { name: "findOperation", ask: async () => (await system.findOperation(operationOf("system", 3))).seq },
    { name: "findOperation of none", ask: async () => (await system.findOperation(operationOf("system", 999))).seq },
  ];
}

export function systemIndexSuite(name: string, make: MakeIndexes): void {
  describe(`system index ${name}`, () => {
    trashOf(make);
    renamesOf(make);
    rotationOf(make);
    blockOf(make);
    test("one that was never begun is no index: head is null, and no read says that there is none", async () => {
      const { system } = make();
      assert.equal(await system.head(), null);
      for (const { name: read, ask } of systemQuestions(system).slice(1)) await assert.rejects(ask(), REBUILDING, read);
      const [first] = (await fullChain()).entries;
      assert.ok(first);
      await assert.rejects(system.apply(first.record, first.hash), REBUILDING);
    });

    test("of an empty log it is whole and finds nothing", async () => {
      const { system } = make();
      assert.deepEqual(await system.begin(0), { seq: 0, hash: null });
      assert.deepEqual(await system.head(), { seq: 0, hash: null });
      assert.equal(await system.findTrashed(repositoryIdOf("a/b")), null);
      assert.deepEqual(await system.listTrash({ limit: 10 }), []);
      assert.equal(await system.findRepository(nameOf("a/b")), null);
      assert.equal(await system.findToken(digestOf("one")), null);
      assert.deepEqual(await system.listRepositories({ limit: 10 }), []);
      assert.deepEqual(await system.listTokens(), []);
      assert.deepEqual(await system.namesOf([repositoryIdOf("a/b")]), new Map());
      assert.equal((await system.findOperation(operationOf("system", 1))).seq, null);
    });

    test("a read that knows the log to be further answers nothing; one that knows it as it is answers", async () => {
      const { system } = make();
      const chain = await fullChain();
      await replay(system, chain.entries);
      assert.deepEqual(await answersOf(systemQuestions(system.atLeast(chain.seq))), await answersOf(systemQuestions(system)));
      const beyond = systemQuestions(system.atLeast(chain.seq + 1)).filter(({ name }) => !name.startsWith("head"));
      for (const answer of await answersOf(beyond)) assert.equal(answer.state, "rebuilding");
    });

    test("finds living repositories by name and by id, and forgets deleted ones", async () => {
      const { system } = make();
      const chain = await fullChain();
      await replay(system, chain.entries);
      assert.deepEqual(await system.head(), { seq: chain.seq, hash: chain.entries.at(-1)?.hash });
      const created = chain.entries[0]?.record;
      assert.deepEqual(await system.findRepository(nameOf("team/llama")), {
        repository: "team/llama",
        id: repositoryIdOf("team/llama"),
        createdAt: created?.at,
        createdBy: created?.actor,
        blocked: null,
      });
      assert.equal(await system.findRepository(nameOf("team/llama-2")), null);
      const ids = ["a/b", "team/llama-2", "none/x"].map((n) => repositoryIdOf(n));
      assert.deepEqual(await system.namesOf(ids), new Map());
      assert.deepEqual(await system.namesOf([repositoryIdOf("a/b"), repositoryIdOf("z/0")]), new Map([[repositoryIdOf("z/0"), "z/0"]]));
    });

    test("a name that is created again belongs to the new id; deleting the old one leaves it", async () => {
      const { system } = make();
      const chain = systemChain();
      await chain.add(create("a/b", repositoryIdOf("old")));
      await chain.add(remove("a/b", repositoryIdOf("old")));
      await chain.add(create("a/b", repositoryIdOf("new")));
      await chain.add(remove("a/b", repositoryIdOf("old")));
      await replay(system, chain.entries);
      assert.equal((await system.findRepository(nameOf("a/b")))?.id, repositoryIdOf("new"));
      assert.deepEqual(await system.namesOf([repositoryIdOf("old"), repositoryIdOf("new")]), new Map([[repositoryIdOf("new"), "a/b"]]));
      assert.equal((await system.listRepositories({ limit: 10 })).length, 1);
    });

    test("lists repositories in order of their bytes, page by page, and every one once", async () => {
      const { system } = make();
      const chain = await fullChain();
      await replay(system, chain.entries);
      const expected = NAMES.filter((n) => n !== "team/llama-2").sort();
      const listed: string[] = [];
      for (let after: string | undefined; ; ) {
        const page = await system.listRepositories({ after, limit: 2 });
        listed.push(...page.map((entry) => entry.repository));
        after = page.at(-1)?.repository;
        if (page.length < 2) break;
      }
      assert.deepEqual(listed, expected);
      assert.deepEqual(await system.listRepositories({ after: "zzz", limit: 2 }), []);
      assert.equal((await system.listRepositories({ after: "team/", limit: 1 }))[0]?.repository, "team/Upper");
    });

    test("finds a token by its hash, lists tokens in order of creation, and keeps the time of the first revocation", async () => {
      const { system } = make();
      const chain = await fullChain();
      const revokedAt = chain.entries.find(({ record }) => record.op === "token.revoke")?.record.at;
      await chain.add(revoke("two"));
      await chain.add(revoke("nobody"));
      await replay(system, chain.entries);
      const made = chain.entries.find(({ record }) => record.op === "token.create")?.record;
      assert.ok(made?.op === "token.create");
      const { tokenId: id, name: label, kind, scopes, networks, expiresAt, at: createdAt, actor: createdBy } = made;
      const ends = { expiresAt, revokedAt: null, rotatedAt: null };
      const secrets = [{ hash: digestOf("one"), until: null }];
      const entry = { id, name: label, kind, scopes, networks, createdAt, createdBy, ...ends, secrets };
      assert.deepEqual(await system.findToken(digestOf("one")), entry);
      assert.equal((await system.findToken(digestOf("two")))?.revokedAt, revokedAt);
      assert.deepEqual(await system.findTokenById(id), entry);
      assert.equal(await system.findTokenById("0".repeat(16)), null);
      assert.deepEqual((await system.listTokens()).map(newestSecret), ["one", "two", "three'"].map(digestOf));
    });

    test("lists more tokens than one round asks for", async () => {
      const { system } = make();
      const chain = systemChain();
      for (let at = 0; at < 510; at++) await chain.add(makeToken(`token ${at}`));
      await replay(system, chain.entries);
      const expected = chain.entries.map(({ record }) => (record.op === "token.create" ? record.tokenHash : ""));
      assert.deepEqual((await system.listTokens()).map(newestSecret), expected);
    });

    test("whichever key is lost: head is null, each read answers the truth or that it is rebuilding, and a replay heals it", async () => {
      const chain = await fullChain();
      for (const key of ["sys", "sys:names", "sys:order", "sys:tokens"]) {
        const { system, loseKey } = make();
        const questions = systemQuestions(system);
        await replay(system, chain.entries);
        const truth = await answersOf(questions);
        await loseKey(key);
        assert.equal(await system.head(), null, key);
        const last = chain.entries.at(-1);
        assert.ok(last);
        await assert.rejects(system.apply(last.record, last.hash), REBUILDING, `apply without ${key}`);
        const refused = assertHonest(questions.slice(1), (await answersOf(questions)).slice(1), truth.slice(1), `without ${key}`);
        assert.ok(refused > 0, `a read notices that ${key} is lost`);
        await replay(system, chain.entries);
        assert.deepEqual(await answersOf(questions), truth, `after the replay for ${key}`);
      }
    });
  });
}

function newestSecret({ secrets }: TokenEntry): string | undefined {
  return secrets[0]?.hash;
}

function rotationOf(make: MakeIndexes): void {
  /** Which of these seeds' secrets are known, with their ends in seconds after the chain's first record. */
  async function known(system: SystemIndex, seeds: readonly string[]): Promise<Record<string, number | null>> {
    const ends: Record<string, number | null> = {};
    for (const seed of seeds) {
      const secret = (await system.findToken(digestOf(seed)))?.secrets.find(({ hash }) => hash === digestOf(seed));
      if (secret !== undefined) ends[seed] = secret.until === null ? null : (Date.parse(secret.until) - Date.UTC(2026, 0, 1)) / 1_000;
    }
    return ends;
  }

  test("a rotated token has a new secret without an end; the old ones end when the rotation says so, never later than before", async () => {
    const { system } = make();
    const chain = systemChain();
    const seeds = ["a", "b", "c", "d", "e"];
    const after = async (...bodies: Parameters<typeof chain.add>[0][]) => {
      for (const body of bodies) await chain.add(body);
      await replay(system, chain.entries);
      return known(system, seeds);
    };
    assert.deepEqual(await after(makeToken("a"), rotate("a", "b", 1_000)), { a: 1_000, b: null });
    assert.deepEqual(await after(rotate("a", "c", 2_000)), { a: 1_000, b: 2_000, c: null });
    assert.deepEqual(await after(rotate("a", "d", 500)), { a: 500, b: 500, c: 500, d: null });
    const [first, second] = [chain.entries[0]?.record, chain.entries.at(-1)?.record];
    const token = await system.findTokenById(hex("id a", 16));
    assert.deepEqual([token?.createdAt, token?.rotatedAt, token?.name], [first?.at, second?.at, 'a | "x"']);
    assert.deepEqual(await system.findToken(digestOf("a")), token);
    // At once: what ended by the record's own time is not kept.
    assert.deepEqual(await after(rotate("a", "e", 0)), { e: null });
    assert.equal((await system.listTokens()).length, 1);
  });

  test("a token has at most 8 secrets; a revoked one stays revoked when it is rotated; none is rotated that was never made", async () => {
    const { system } = make();
    const chain = systemChain();
    await chain.add(makeToken("0"));
    await chain.add(revoke("0"));
    const seeds = Array.from({ length: 12 }, (_, at) => `${at}`);
    for (const seed of seeds.slice(1)) await chain.add(rotate("0", seed, 10_000));
    await chain.add(rotate("nobody", "x", 10_000));
    await replay(system, chain.entries);
    assert.deepEqual(Object.keys(await known(system, seeds)), seeds.slice(-8));
    assert.notEqual((await system.findTokenById(hex("id 0", 16)))?.revokedAt, null);
    assert.equal(await system.findToken(digestOf("x")), null);
  });
}

function blockOf(make: MakeIndexes): void {
  test("a blocked repository says so wherever it is found, is no holder, and stays blocked through trash and restore", async () => {
    const { system } = make();
    const chain = systemChain();
    const id = repositoryIdOf("a/b");
    await chain.add(create("a/b"));
    const { record } = await chain.add(block("a/b"));
    await replay(system, chain.entries);
    const blocked = { at: record.at, by: record.actor, reason: 'leaked | "x" y' };
    assert.deepEqual((await system.findRepository(nameOf("a/b")))?.blocked, blocked);
    assert.deepEqual((await system.listRepositories({ limit: 1 }))[0]?.blocked, blocked);
    assert.deepEqual(await system.namesOf([id]), new Map());

    await chain.add(remove("a/b"));
    await replay(system, chain.entries);
    assert.deepEqual((await system.findTrashed(id))?.blocked, blocked);
    await chain.add(restore("a/c", id));
    await replay(system, chain.entries);
    assert.deepEqual((await system.findRepository(nameOf("a/c")))?.blocked, blocked);
    assert.deepEqual(await system.namesOf([id]), new Map());

    await chain.add(unblock("a/c", id));
    await replay(system, chain.entries);
    const found = await system.findRepository(nameOf("a/c"));
    assert.deepEqual([found?.blocked, found?.createdBy], [null, "person 1"]);
    assert.deepEqual(await system.namesOf([id]), new Map([[id, "a/c"]]));
  });

  test("an id that is made anew begins without a block, and one that is not living can't be blocked", async () => {
    const { system } = make();
    const chain = systemChain();
    const id = repositoryIdOf("a/b");
    for (const body of [create("a/b"), block("a/b"), remove("a/b"), purgeRepository("a/b"), block("a/b"), create("a/b")])
      await chain.add(body);
    await replay(system, chain.entries);
    assert.equal((await system.findRepository(nameOf("a/b")))?.blocked, null);
    assert.deepEqual(await system.namesOf([id]), new Map([[id, "a/b"]]));
  });
}

function renamesOf(make: MakeIndexes): void {
  test("a renamed repository is found by its new name alone; its old ones tell the new one until they are taken, or it is in the trash", async () => {
    const { system } = make();
    const chain = systemChain();
    const id = repositoryIdOf("a/b");
    const moved = async (...bodies: Parameters<typeof chain.add>[0][]) => {
      for (const body of bodies) await chain.add(body);
      await replay(system, chain.entries);
      const names = ["a/b", "a/c", "a/d"].map(nameOf);
      return Promise.all(names.map(async (name) => ((await system.findRepository(name)) !== null ? "here" : await system.findMoved(name))));
    };
    assert.deepEqual(await moved(create("a/b"), block("a/b"), rename("a/b", "a/c")), ["a/c", "here", null]);
    assert.deepEqual(
      [(await system.findRepository(nameOf("a/c")))?.id, (await system.findRepository(nameOf("a/c")))?.blocked?.by],
      [id, "person 2"],
    );
    assert.deepEqual(await moved(rename("a/c", "a/d", id)), ["a/d", "a/d", "here"]);
    assert.deepEqual(await moved(create("a/c", repositoryIdOf("other"))), ["a/d", "here", "here"]);
    assert.deepEqual(await moved(remove("a/d", id)), [null, "here", null]);
    assert.deepEqual(await moved(restore("a/b", id)), ["here", "here", null]);
    assert.deepEqual(await moved(rename("a/b", "a/d", id), rename("a/d", "a/b", id)), ["here", "here", "a/b"]);
  });
}

function trashOf(make: MakeIndexes): void {
  test("a deleted repository is in the trash, with who made and who deleted it, until it is restored or purged", async () => {
    const { system } = make();
    const chain = systemChain();
    const id = repositoryIdOf("old");
    const [created, deleted] = [await chain.add(create("a/b", id)), await chain.add(remove("a/b", id))];
    await replay(system, chain.entries);
    const summary = { repository: "a/b", id, createdAt: created.record.at, createdBy: created.record.actor, blocked: null };
    const trashed = { ...summary, deletedAt: deleted.record.at, deletedBy: deleted.record.actor };
    assert.deepEqual(await system.findTrashed(id), trashed);
    assert.deepEqual(await system.listTrash({ limit: 10 }), [trashed]);
    assert.equal(await system.findRepository(nameOf("a/b")), null);
    assert.deepEqual(await system.listRepositories({ limit: 10 }), []);

    await chain.add(create("a/b", repositoryIdOf("new")));
    await chain.add(restore("a/c", id));
    await replay(system, chain.entries);
    assert.deepEqual(await system.findRepository(nameOf("a/c")), { ...summary, repository: "a/c" });
    assert.deepEqual(await system.namesOf([id]), new Map([[id, "a/c"]]));
    assert.equal((await system.findRepository(nameOf("a/b")))?.id, repositoryIdOf("new"));
    assert.equal(await system.findTrashed(id), null);
    assert.deepEqual(await system.listTrash({ limit: 10 }), []);

    await chain.add(remove("a/c", id));
    await chain.add(purgeRepository("a/c", id));
    await replay(system, chain.entries);
    assert.equal(await system.findTrashed(id), null);
    assert.deepEqual(await system.listTrash({ limit: 10 }), []);
    assert.equal((await system.listRepositories({ limit: 10 })).length, 1);
  });

  test("lists the trash in order of id, page by page, and every one once", async () => {
    const { system } = make();
    const chain = systemChain();
    for (const name of NAMES) await chain.add(create(name));
    for (const name of NAMES.slice(1)) await chain.add(remove(name));
    await replay(system, chain.entries);
    for (const limit of [1, 2, 3, 7, 8]) {
      const listed: string[] = [];
      for (let after: string | undefined; ; ) {
        const page = await system.listTrash({ after, limit });
        listed.push(...page.map((entry) => entry.id));
        after = page.at(-1)?.id;
        if (page.length < limit) break;
      }
      assert.deepEqual(
        listed,
        NAMES.slice(1)
          .map((name) => repositoryIdOf(name))
          .sort(),
        `${limit} a page`,
      );
    }
  });

  test("a repository that is not where a record takes it from stays where it is", async () => {
    const { system } = make();
    const chain = systemChain();
    for (const body of [create("a/b"), create("a/c"), remove("a/c")]) await chain.add(body);
    await replay(system, chain.entries);
    const questions = systemQuestions(system).filter(({ name }) => !name.startsWith("head"));
    const before = await answersOf(questions);
    for (const body of [
      rename("x/y", "x/z"),
      restore("a/d", repositoryIdOf("a/b")),
      purgeRepository("a/b"),
      remove("a/c"),
      restore("x/y"),
      remove("x/y"),
    ]) {
      const { record, hash } = await chain.add(body);
      await system.apply(record, hash);
      assert.deepEqual(await answersOf(questions), before, body.op);
    }
  });
}
