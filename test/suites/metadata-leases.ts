/** Promises of Leases. How long they last is tried where time can be moved or read. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { MakeIndexes } from "./metadata.ts";

const MINUTE_MS = 60_000;

export function leasesSuite(name: string, make: MakeIndexes): void {
  describe(`leases ${name}`, () => {
    test("one owner at a time, by a number that grows with every claim; the owner extends its claim under the same number", async () => {
      const { leases, loseKey } = make();
      const first = await leases.acquire("collect", "a", MINUTE_MS);
      assert.ok(first !== null && first > 0);
      assert.equal(await leases.acquire("collect", "b", MINUTE_MS), null);
      assert.equal(await leases.acquire("collect", "a", MINUTE_MS), first);
      await leases.release("collect", "a");
      const second = await leases.acquire("collect", "b", MINUTE_MS);
      assert.ok(second !== null && second > first);
      // As when its time ends.
      await loseKey("lease:collect");
      const third = await leases.acquire("collect", "a", MINUTE_MS);
      assert.ok(third !== null && third > second);
    });

    test("only the owner releases, and what is free already may be released again", async () => {
      const { leases } = make();
      await leases.release("collect", "a");
      await leases.acquire("collect", "a:1 é", MINUTE_MS);
      await leases.release("collect", "a");
      await leases.release("collect", "b");
      assert.equal(await leases.acquire("collect", "b", MINUTE_MS), null);
      await leases.release("collect", "a:1 é");
      await leases.release("collect", "a:1 é");
      assert.ok((await leases.acquire("collect", "b", MINUTE_MS)) !== null);
    });

    test("leases of other names are others", async () => {
      const { leases } = make();
      assert.equal(await leases.acquire("collect", "a", MINUTE_MS), 1);
      assert.equal(await leases.acquire("verify", "b", MINUTE_MS), 1);
      await leases.release("verify", "b");
      assert.equal(await leases.acquire("collect", "b", MINUTE_MS), null);
    });

    test("of many that ask at once one gets it", async () => {
      const { leases } = make();
      const owners = Array.from({ length: 20 }, (_, at) => `owner ${at}`);
      const answers = await Promise.all(owners.map((owner) => leases.acquire("collect", owner, MINUTE_MS)));
      assert.deepEqual(
        answers.filter((number) => number !== null),
        [1],
      );
    });
  });
}
