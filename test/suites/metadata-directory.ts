/** Promises of the logs' indexes about signatures: keys and their revocations, roles of people, signatures of manifests. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  addKey,
  commit,
  digestOf,
  grantUser,
  keyId,
  purge,
  repositoryChain,
  repositoryIdOf,
  revokeKey,
  sign,
  signatureText,
  systemChain,
  trash,
  ungrantUser,
} from "../support/chain.ts";
import { REBUILDING, replay } from "../support/log-index.ts";
import type { MakeIndexes } from "./metadata.ts";
import { follower } from "./metadata-repositories.ts";

const ID = repositoryIdOf("team/llama");

export function directorySuite(name: string, make: MakeIndexes): void {
  describe(`keys, roles and signatures in the index ${name}`, () => {
    test("keys and roles are there until they are revoked, a revoked key stays so whatever comes later", async () => {
      const { system } = make();
      const chain = systemChain();
      for (const seed of ["a", "b"]) await chain.add(addKey(seed));
      const first = await chain.add(revokeKey("a"));
      await chain.add(revokeKey("a"));
      await chain.add(addKey("a"));
      for (const seed of ["x", "y"]) await chain.add(grantUser(seed));
      await chain.add(ungrantUser("x"));
      await replay(system, chain.entries);
      const { keys, grants } = await system.directory();
      const revoked = Object.fromEntries(keys.map(({ id, revokedAt }) => [id, revokedAt]));
      assert.deepEqual(revoked, { [keyId("a")]: first.record.at, [keyId("b")]: null });
      assert.deepEqual(
        keys.map(({ id }) => id),
        [keyId("a"), keyId("b")].sort(),
      );
      assert.deepEqual(
        grants.map(({ value, role, repositories }) => [value, role, repositories]),
        [["y", "writer", "team/*"]],
      );
    });

    test("an index that is not whole, or older than the reader knows the log to be, says nothing of keys", async () => {
      const { system, loseKey } = make();
      await assert.rejects(system.directory(), REBUILDING);
      const chain = systemChain();
      await chain.add(addKey("a"));
      await replay(system, chain.entries);
      await assert.rejects(system.atLeast(2).directory(), REBUILDING);
      await loseKey("sys");
      await assert.rejects(system.directory(), REBUILDING);
    });

    test("a manifest has one signature of each key, in the order they came, also when its revisions are purged", async () => {
      const { repositories } = make();
      const chain = repositoryChain();
      await chain.add(commit(ID, "main", "c1"));
      for (const seed of ["a", "b", "a"]) await chain.add(sign(ID, "m1", seed));
      await chain.add(sign(ID, "m2", "a"));
      await chain.add(trash(ID, "c1"));
      await chain.add(purge(ID, "c1"));
      await replay(follower(repositories), chain.entries);
      const entries = await repositories.signatures(ID, digestOf("m1"));
      assert.deepEqual(
        entries.map((entry) => [entry.keyId, entry.signature, entry.by]),
        ["a", "b"].map((seed, at) => [keyId(seed), signatureText(`m1 ${seed}`), `person ${(at + 2) % 3}`]),
      );
      assert.equal((await repositories.signatures(ID, digestOf("m2"))).length, 1);
      assert.deepEqual(await repositories.signatures(ID, digestOf("m3")), []);
    });
  });
}
