import assert from "node:assert/strict";
import { test } from "node:test";
import type { Mover } from "../../../scripts/node/mover.ts";
import { Movers } from "../../../scripts/node/movers.ts";
import { KiB, MiB } from "../../../shared/units.ts";

const SETTING = {
  transport: { kind: "raw", connections: 8, stallSeconds: 20, bandwidthBytesPerSecond: undefined },
  directBytes: 0,
} as const;

/** Starts a task of each size at once, lets none end before all run, and answers which mover each was given to. */
async function givenTo(movers: Movers, sizesBytes: readonly number[]): Promise<Mover[]> {
  const { promise: allRun, resolve } = Promise.withResolvers<void>();
  let running = 0;
  const work = async (mover: Mover): Promise<Mover> => {
    if (++running === sizesBytes.length) resolve();
    await allRun;
    return mover;
  };
  return Promise.all(sizesBytes.map((bytes) => movers.run(bytes, work)));
}

async function withMovers(threadCount: number, work: (movers: Movers) => Promise<void>): Promise<void> {
  const movers = await Movers.make(SETTING, threadCount);
  try {
    await work(movers);
  } finally {
    await movers.close();
  }
}

test("large tasks that waited together for the data threads are shared evenly between them", () =>
  withMovers(2, async (movers) => {
    const given = await givenTo(
      movers,
      Array.from({ length: 8 }, () => 64 * MiB),
    );
    const counts = [...new Set(given)].map((mover) => given.filter((other) => other === mover).length);
    assert.deepEqual(counts, [4, 4]);
  }));

test("a task goes to the thread that has the fewest bytes to do", () =>
  withMovers(2, async (movers) => {
    const [long, short, next] = await givenTo(movers, [64 * MiB, 8 * MiB, 8 * MiB]);
    assert.notEqual(short, long);
    assert.equal(next, short);
  }));

test("small tasks stay in the thread that gives them, also when data threads are there", () =>
  withMovers(2, async (movers) => {
    const [large, small, tiny] = await givenTo(movers, [64 * MiB, 10 * KiB, 0]);
    assert.notEqual(small, large);
    assert.equal(tiny, small);
  }));

test("without data threads all is done by the one that gives the tasks", () =>
  withMovers(0, async (movers) => {
    const given = await givenTo(movers, [64 * MiB, 64 * MiB, 10 * KiB]);
    assert.equal(new Set(given).size, 1);
  }));
