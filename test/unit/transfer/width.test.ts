/** How many connections a transfer uses, against stores that are simulated: so many bytes a step with so many connections. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { EndGame } from "../../../shared/transfer/end-game.ts";
import { Width } from "../../../shared/transfer/width.ts";
import { MiB } from "../../../shared/units.ts";

const RANGE = { start: 8, min: 4, max: 64 };

/** Steps on a link where each connection brings `each`, and all together `all` at most. */
function run(width: Width, steps: number, { each, all }: { each: number; all: number }): number[] {
  return Array.from({ length: steps }, () => {
    width.step(Math.min(all, width.now * each), true);
    return width.now;
  });
}

test("connections grow as long as they bring more, and stay a little above what was needed", () => {
  const width = new Width(RANGE);
  const seen = run(width, 12, { each: 90, all: 1250 });
  // 14 connections fill the link. The step after each change is not looked at.
  assert.deepEqual(seen.slice(0, 4), [8, 13, 13, 20]);
  assert.ok(width.now >= 14 && width.now <= 24, `${seen}`);
});

test("where one connection brings all, the start is enough, but for a try now and then", () => {
  const width = new Width(RANGE);
  const seen = run(width, 100, { each: 1000, all: 1000 });
  const many = seen.filter((now) => now > 13).length;
  assert.equal(many, 0, `${seen}`);
  assert.ok(seen.slice(-12).includes(9), `${seen}`);
});

test("a link that becomes faster is found out by a try", () => {
  const width = new Width(RANGE);
  run(width, 20, { each: 90, all: 500 });
  assert.ok(width.now < 14);
  run(width, 40, { each: 90, all: 3000 });
  assert.ok(width.now > 30, `${width.now}`);
});

test("nothing is learned about more while there is not work enough for what there is", () => {
  const width = new Width(RANGE);
  for (let n = 0; n < 50; n++) width.step(n * 1000, false);
  assert.equal(width.now, 8);
  assert.equal(width.learned, null);
});

test("what was learned is held, so that it does not grow from one transfer to the next", () => {
  let known: number | null = null;
  for (let transfer = 0; transfer < 10; transfer++) {
    const width: Width = new Width({ ...RANGE, start: known ?? RANGE.start }, known !== null);
    // The last bit of a noisy link looks like growth now and then.
    for (let n = 0; n < 15; n++) width.step(Math.min(1250, width.now * 90) * (n % 4 === 3 ? 1.1 : 1), true);
    known = width.learned;
  }
  assert.ok(known !== null && known >= 13 && known <= 24, `${known}`);
});

test("single refusals change nothing; refusals that go on cut, but not at each", () => {
  const width = new Width({ ...RANGE, start: 32 });
  run(width, 10, { each: 90, all: 900 });
  const before = width.now;
  for (let n = 0; n < 50; n++) width.ended(n % 25 === 0);
  width.step(900, true);
  assert.equal(width.now, before);
  for (let n = 0; n < 50; n++) width.ended(n % 5 === 0);
  width.step(900, true);
  assert.ok(width.now < before, `${width.now} < ${before}`);
  const cut = width.now;
  for (let n = 0; n < 50; n++) width.ended(n % 5 === 0);
  width.step(900, true);
  assert.equal(width.now, cut, "not twice at once");
});

test("whatever happens, it stays within its range, and a fixed number stays what it is", () => {
  const event = fc.oneof(
    fc.record({ bytes: fc.nat(1e9), full: fc.boolean() }),
    fc.boolean().map((throttled) => ({ throttled })),
  );
  fc.assert(
    fc.property(fc.array(event, { maxLength: 200 }), (events) => {
      const width = new Width(RANGE);
      const fixed = new Width({ start: 16, min: 16, max: 16 });
      for (const happened of events) {
        for (const each of [width, fixed]) {
          if ("throttled" in happened) each.ended(happened.throttled);
          else each.step(happened.bytes, happened.full);
        }
        assert.ok(width.now >= 4 && width.now <= 64);
        assert.equal(fixed.now, 16);
      }
    }),
  );
});

function piece(leftMiB: number): {
  leftBytes: () => number;
  halve: (bytes: number) => Promise<void>;
  halves: number[];
  move: (mib: number) => void;
} {
  const halves: number[] = [];
  let left = leftMiB * MiB;
  return {
    halves,
    leftBytes: () => left,
    halve: async (bytes) => {
      halves.push(bytes);
      left -= bytes;
    },
    move: (mib) => {
      left -= mib * MiB;
    },
  };
}

test("in the end the longest pieces are halved, as many as there are hands, and none that is short or nearly done", async () => {
  const endGame = new EndGame();
  const [long, longer, short, fast] = [piece(40), piece(60), piece(9), piece(64)];
  const all = [long, longer, short, fast];
  for (const each of all) endGame.enter(each);
  const step = async (free: number) => {
    for (const each of [long, longer, short]) each.move(1);
    fast.move(20);
    endGame.step(free);
    await new Promise((resolve) => setImmediate(resolve));
  };
  await step(0);
  assert.deepEqual(
    all.map(({ halves }) => halves.length),
    [0, 0, 0, 0],
    "nobody is free",
  );
  await step(1);
  assert.deepEqual(
    all.map(({ halves }) => halves.length),
    [0, 1, 0, 0],
  );
  assert.equal(longer.halves[0], 29 * MiB);
  await step(4);
  assert.deepEqual(
    all.map(({ halves }) => halves.length),
    [1, 2, 0, 0],
  );
  endGame.leave(long);
  await step(4);
  assert.equal(long.halves.length, 1);
});
