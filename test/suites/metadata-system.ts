/** Promises of SystemIndex. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { SystemIndex } from "../../functions/registry/ports.ts";
import {
  create,
  digestOf,
  makeToken,
  nameOf,
  operationOf,
  purgeRepository,
  remove,
  repositoryIdOf,
  restore,
  revoke,
  systemChain,
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
  return chain;
}

/** Every read of the port, with answers that are there and answers that are not. */
export function systemQuestions(system: SystemIndex): Question[] {
  return [
    { name: "head", ask: () => system.head() },
    { name: "findRepository of a living one", ask: () => system.findRepository(nameOf("team/llama")) },
    { name: "findRepository of a deleted one", ask: () => system.findRepository(nameOf("team/llama-2")) },
    { name: "namesOf", ask: async () => [...(await system.namesOf(["a/b", "team/llama-2", "none/x"].map((n) => repositoryIdOf(n))))] },
    { name: "findTrashed", ask: () => system.findTrashed(repositoryIdOf("team/llama-2")) },
    { name: "findTrashed of a living one", ask: () => system.findTrashed(repositoryIdOf("a/b")) },
    { name: "listTrash", ask: () => system.listTrash({ limit: 100 }) },
    { name: "listRepositories", ask: () => system.listRepositories({ limit: 100 }) },
    { name: "findToken", ask: () => system.findToken(digestOf("one")) },
    { name: "findToken of a revoked one", ask: () => system.findToken(digestOf("two")) },
    { name: "findToken of none", ask: () => system.findToken(digestOf("none")) },
    { name: "listTokens", ask: () => system.listTokens() },
    { name: "findOperation", ask: () => system.findOperation(operationOf("system", 3)) },
    { name: "findOperation of none", ask: () => system.findOperation(operationOf("system", 999)) },
  ];
}

export function systemIndexSuite(name: string, make: MakeIndexes): void {
  describe(`system index ${name}`, () => {
    trashOf(make);
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
      assert.equal(await system.findOperation(operationOf("system", 1)), null);
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
      });
      assert.equal(await system.findRepository(nameOf("team/llama-2")), null);
      const ids = ["a/b", "team/llama-2", "none/x"].map((n) => repositoryIdOf(n));
      assert.deepEqual(await system.namesOf(ids), new Map([[repositoryIdOf("a/b"), "a/b"]]));
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
      const revokedAt = chain.entries.at(-1)?.record.at;
      await chain.add(revoke("two"));
      await chain.add(revoke("nobody"));
      await replay(system, chain.entries);
      const made = chain.entries.find(({ record }) => record.op === "token.create")?.record;
      assert.ok(made?.op === "token.create");
      const { tokenId: id, name: label, scopes, expiresAt, at: createdAt, actor: createdBy } = made;
      const entry = { hash: digestOf("one"), id, name: label, scopes, createdAt, createdBy, expiresAt, revokedAt: null };
      assert.deepEqual(await system.findToken(digestOf("one")), entry);
      assert.equal((await system.findToken(digestOf("two")))?.revokedAt, revokedAt);
      const hashes = (await system.listTokens()).map((token) => token.hash);
      assert.deepEqual(hashes, ["one", "two", "three"].map(digestOf));
    });

    test("lists more tokens than one round asks for", async () => {
      const { system } = make();
      const chain = systemChain();
      for (let at = 0; at < 510; at++) await chain.add(makeToken(`token ${at}`));
      await replay(system, chain.entries);
      const expected = chain.entries.map(({ record }) => (record.op === "token.create" ? record.tokenHash : ""));
      assert.deepEqual(
        (await system.listTokens()).map((token) => token.hash),
        expected,
      );
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

function trashOf(make: MakeIndexes): void {
  test("a deleted repository is in the trash, with who made and who deleted it, until it is restored or purged", async () => {
    const { system } = make();
    const chain = systemChain();
    const id = repositoryIdOf("old");
    const [created, deleted] = [await chain.add(create("a/b", id)), await chain.add(remove("a/b", id))];
    await replay(system, chain.entries);
    const summary = { repository: "a/b", id, createdAt: created.record.at, createdBy: created.record.actor };
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
    const questions = systemQuestions(system).filter(({ name }) => name !== "head");
    const before = await answersOf(questions);
    for (const body of [restore("a/d", repositoryIdOf("a/b")), purgeRepository("a/b"), remove("a/c"), restore("x/y"), remove("x/y")]) {
      const { record, hash } = await chain.add(body);
      await system.apply(record, hash);
      assert.deepEqual(await answersOf(questions), before, body.op);
    }
  });
}
