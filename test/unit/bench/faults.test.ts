import assert from "node:assert/strict";
import { test } from "node:test";
import { Fates, Faults, NO_FAULTS, Pace } from "../../../scripts/bench/s3/faults.ts";
import { MiB } from "../../../shared/units.ts";

function draws(faults: Faults, count = 2000) {
  const fates = new Fates(faults);
  return Array.from({ length: count }, (_, at) => fates.draw(MiB, at));
}

test("without faults nothing happens to anybody", () => {
  const harmless = { refused: false, delayMs: 0, stallAtByte: null, stallMs: 0 };
  for (const fate of draws(NO_FAULTS, 100)) assert.deepEqual(fate, harmless);
});

test("each fault hits its share, within its bounds, and small objects are spared", () => {
  const faults = Faults.parse({ p503: 0.1, ttfbMs: 5, stall: { share: 0.2, ms: 700 }, tail: { share: 0.3, ms: 900 } });
  const all = draws(faults);
  const share = (isHit: (fate: (typeof all)[number]) => boolean) => all.filter(isHit).length / all.length;
  const near = (figure: number, wanted: number) => assert.ok(Math.abs(figure - wanted) < 0.05, `${figure} is not near ${wanted}`);
  near(
    share(({ refused }) => refused),
    0.1,
  );
  near(
    share(({ stallAtByte }) => stallAtByte !== null),
    0.2,
  );
  near(
    share(({ delayMs }) => delayMs === 905),
    0.3,
  );
  assert.ok(all.every(({ stallAtByte }) => stallAtByte === null || (stallAtByte >= 0 && stallAtByte < MiB)));
  assert.ok(all.every(({ delayMs }) => delayMs === 5 || delayMs === 905));
  const spared = new Fates(Faults.parse({ p503: 1 })).draw(100, 0);
  assert.equal(spared.refused, false);
});

test("the same seed gives the same fates, another seed others", () => {
  const faults = Faults.parse({ p503: 0.5 });
  assert.deepEqual(draws(faults), draws(faults));
  assert.notDeepEqual(draws(faults), draws({ ...faults, seed: 2 }));
});

test("a pace spreads what is taken evenly, and never waits without one", () => {
  const pace = new Pace(1000);
  assert.deepEqual([pace.take(100, 0), pace.take(100, 0), pace.take(100, 250)], [100, 200, 100]);
  const free = new Pace(0);
  assert.equal(free.take(1e9, 0), 0);
});

test("a gate admits its number a second, and a second's worth at once after a pause", () => {
  const gate = new Pace(10);
  const admitted = (fromMs: number, toMs: number) => {
    let count = 0;
    for (let ms = fromMs; ms < toMs; ms++) if (gate.admits(ms)) count++;
    return count;
  };
  assert.equal(admitted(10_000, 10_001) + admitted(10_001, 10_010), 10);
  assert.equal(admitted(20_000, 21_001), 20);
  assert.equal(admitted(21_001, 22_001), 10);
});
