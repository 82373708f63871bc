/** Promises of TokenUses, ShortTokens and Meters. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Caller, Meters, Want } from "../../functions/registry/ports.ts";
import { Scope } from "../../shared/contract/access.ts";
import { digestOf, hex } from "../support/chain.ts";
import type { MakeIndexes } from "./metadata.ts";

const NOW_MS = Date.UTC(2026, 0, 1);
const HOUR_MS = 3_600_000;
const CALLER: Caller = {
  tokenId: hex("caller", 16),
  name: 'github "x" é',
  kind: "identity",
  scopes: [Scope.parse({ repositories: "team/*", actions: ["pull"], stores: ["home"] })],
  networks: ["10.0.0.0/8"],
  expiresAt: "2026-01-01T01:00:00.000Z",
};

export function accessSuite(name: string, make: MakeIndexes): void {
  describe(`callers ${name}`, () => {
    usesOf(make);
    metersOf(make);

    test("a short token's caller is found as it was kept, and nobody behind another", async () => {
      const { shortTokens } = make();
      assert.equal(await shortTokens.find(digestOf("one")), null);
      await shortTokens.keep(digestOf("one"), CALLER, 3_600);
      assert.deepEqual(await shortTokens.find(digestOf("one")), CALLER);
      assert.equal(await shortTokens.find(digestOf("two")), null);
    });

    test("a short token that is lost is nobody's", async () => {
      const { shortTokens, loseKey } = make();
      await shortTokens.keep(digestOf("one"), CALLER, 3_600);
      await loseKey(`short:${digestOf("one")}`);
      assert.equal(await shortTokens.find(digestOf("one")), null);
    });
  });
}

function usesOf(make: MakeIndexes): void {
  test("of a token's uses one an hour is kept", async () => {
    const { uses } = make();
    const [a, b] = [hex("a", 16), hex("b", 16)];
    assert.deepEqual(await uses.lastUsed([]), []);
    assert.deepEqual(await uses.lastUsed([a, b]), [null, null]);
    const seen: (number | null)[] = [];
    for (const afterMs of [0, 1, HOUR_MS - 1, HOUR_MS, HOUR_MS + 1, 2 * HOUR_MS, 1_000]) {
      await uses.note(a, NOW_MS + afterMs);
      seen.push(((await uses.lastUsed([a]))[0] ?? 0) - NOW_MS);
    }
    assert.deepEqual(seen, [0, 0, 0, HOUR_MS, HOUR_MS, 2 * HOUR_MS, 2 * HOUR_MS]);
    assert.deepEqual(await uses.lastUsed([b, a]), [null, NOW_MS + 2 * HOUR_MS]);
  });

  test("thousands of tokens are asked for at once", async () => {
    const { uses } = make();
    const ids = Array.from({ length: 9_000 }, (_, at) => hex(`token ${at}`, 16));
    await uses.note(ids[8_999] ?? "", NOW_MS);
    const times = await uses.lastUsed(ids);
    assert.equal(times.length, ids.length);
    assert.deepEqual([times[0], times[8_999]], [null, NOW_MS]);
  });
}

function metersOf(make: MakeIndexes): void {
  const want = (bucket: string, least = 1, most = least, perMinute = 60): Want => ({ bucket, perMinute, least, most });
  const taken = async (meters: Meters, nowMs: number, ...wants: Want[]) => (await meters.take(wants, nowMs)).map((one) => one.taken);

  test("a bucket holds a minute's units, gives them at once, and fills at its rate", async () => {
    const { meters } = make();
    assert.deepEqual(await meters.take([want("a", 60)], NOW_MS), [{ taken: 60, left: 0, waitMs: 0, fullMs: 60_000 }]);
    assert.deepEqual(await meters.take([want("a")], NOW_MS), [{ taken: 0, left: 0, waitMs: 1_000, fullMs: 60_000 }]);
    assert.deepEqual(await meters.take([want("a", 10)], NOW_MS + 4_000), [{ taken: 0, left: 4, waitMs: 6_000, fullMs: 56_000 }]);
    assert.deepEqual(await meters.take([want("a", 4)], NOW_MS + 4_000), [{ taken: 4, left: 0, waitMs: 0, fullMs: 60_000 }]);
    assert.deepEqual(await meters.take([want("a", 60)], NOW_MS + 64_000), [{ taken: 60, left: 0, waitMs: 0, fullMs: 60_000 }]);
  });

  test("what waitMs says is enough, and a millisecond less is not, for any rate", async () => {
    const { meters } = make();
    for (const perMinute of [1, 7, 60, 1_000, 6_000, 50_000]) {
      const bucket = `wait ${perMinute}`;
      assert.deepEqual(await taken(meters, NOW_MS, want(bucket, perMinute, perMinute, perMinute)), [perMinute]);
      const [refused] = await meters.take([want(bucket, 1, 1, perMinute)], NOW_MS);
      const waitMs = refused?.waitMs ?? 0;
      assert.ok(waitMs > 0 && waitMs <= 60_000, `${perMinute}: ${waitMs}`);
      if (perMinute <= 60_000 / 2) assert.deepEqual(await taken(meters, NOW_MS + waitMs - 1, want(bucket, 1, 1, perMinute)), [0]);
      assert.deepEqual(await taken(meters, NOW_MS + waitMs, want(bucket, 1, 1, perMinute)), [1]);
    }
  });

  test("up to the most is taken while it is there, and at least the least or nothing", async () => {
    const { meters } = make();
    assert.deepEqual(await taken(meters, NOW_MS, want("a", 1, 20)), [20]);
    assert.deepEqual(await taken(meters, NOW_MS, want("a", 1, 50)), [40]);
    assert.deepEqual(await taken(meters, NOW_MS, want("a", 1, 50)), [0]);
    assert.deepEqual(await taken(meters, NOW_MS + 3_000, want("a", 2, 50)), [3]);
  });

  test("of several buckets all give, or none", async () => {
    const { meters } = make();
    assert.deepEqual(await taken(meters, NOW_MS, want("a", 50), want("b", 60)), [50, 60]);
    assert.deepEqual(await taken(meters, NOW_MS, want("a", 5), want("b", 1)), [0, 0]);
    assert.deepEqual(await taken(meters, NOW_MS, want("a", 10), want("c", 1)), [10, 1]);
  });

  test("more than a minute's worth counts as a minute's worth: it is given by a full bucket", async () => {
    const { meters } = make();
    assert.deepEqual(await taken(meters, NOW_MS, want("a", 500, 500, 60)), [60]);
    assert.deepEqual(await taken(meters, NOW_MS + 59_000, want("a", 500, 500, 60)), [0]);
    assert.deepEqual(await taken(meters, NOW_MS + 60_000, want("a", 500, 500, 60)), [60]);
  });

  test("a clock that goes back, or one that is hours ahead, locks nobody out", async () => {
    const { meters } = make();
    assert.deepEqual(await taken(meters, NOW_MS, want("a", 10)), [10]);
    assert.deepEqual(await taken(meters, NOW_MS - 5_000, want("a", 10)), [10]);
    assert.deepEqual(await taken(meters, NOW_MS + 3 * HOUR_MS, want("b", 60)), [60]);
    assert.deepEqual(await taken(meters, NOW_MS, want("b", 60)), [60]);
  });

  test("over any stretch no more comes out than the bucket held and what came in", async () => {
    const { meters } = make();
    let sum = 0;
    for (let afterMs = 0; afterMs <= 30_000; afterMs += 50) {
      const [one] = await meters.take([want("a", 1, 3, 120)], NOW_MS + afterMs);
      sum += one?.taken ?? 0;
    }
    assert.equal(sum, 120 + 60);
  });
}
