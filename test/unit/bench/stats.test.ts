import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { runCalls } from "../../../scripts/bench/load.ts";
import { quantile, shuffled, slopeOf, spreadOf } from "../../../scripts/bench/measure/stats.ts";
import { seeded } from "../../../scripts/bench/s3/faults.ts";

test("a spread is the middle and the ends, and nothing of nothing", () => {
  assert.equal(spreadOf([]), null);
  assert.deepEqual(spreadOf([3]), { median: 3, min: 3, max: 3 });
  assert.deepEqual(spreadOf([5, 1, 3]), { median: 3, min: 1, max: 5 });
  assert.deepEqual(spreadOf([4, 1, 3, 2]), { median: 2.5, min: 1, max: 4 });
});

test("quantiles lie between their neighbours", () => {
  assert.equal(quantile([1, 2, 3, 4, 5], 0.25), 2);
  assert.equal(quantile([0, 10], 0.99), 9.9);
});

test("a random order holds everything once, and is another for another seed", () => {
  fc.assert(
    fc.property(fc.array(fc.integer()), fc.integer(), (values, seed) => {
      assert.deepEqual(shuffled(values, seeded(seed)).toSorted(), values.toSorted());
    }),
  );
  const orders = new Set(Array.from({ length: 20 }, (_, seed) => shuffled([1, 2, 3, 4, 5], seeded(seed)).join()));
  assert.ok(orders.size > 10);
});

test("a slope is that of the line through the values, and 0 where there is none", () => {
  assert.equal(slopeOf([5]), 0);
  assert.equal(slopeOf([1, 3, 5, 7]), 2);
  assert.equal(slopeOf([4, 4, 4]), 0);
  assert.equal(slopeOf([0, 2, 1, 3]), 0.8);
  assert.equal(slopeOf([]), 0);
});

test("callers make every call once, one at a time each", async () => {
  const made: number[] = [];
  const busy = new Set<number>();
  await runCalls(
    async (lane, at) => {
      assert.ok(!busy.has(lane));
      busy.add(lane);
      await Promise.resolve();
      made.push(at);
      busy.delete(lane);
    },
    { lanes: 7, calls: 100 },
  );
  assert.deepEqual(
    made.toSorted((a, b) => a - b),
    Array.from({ length: 100 }, (_, at) => at),
  );
});
