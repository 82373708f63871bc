/** When a request is given up: judged by what is usual at the store, within a budget. Time is ticks that the tests make. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type GivenUp, Pace, TICK_MS, type Watch } from "../../../shared/transfer/pace.ts";
import { MiB } from "../../../shared/units.ts";

const STALL_MS = 20_000;

function stand() {
  const pace = new Pace(STALL_MS);
  const given: GivenUp[] = [];
  const begin = (kind: "get" | "put" = "get", isReplacement = false): Watch => {
    const watch: Watch = pace.begin({ kind, bytes: 64 * MiB, isReplacement, giveUp: (why) => [given.push(why), watch.end(false)] });
    return watch;
  };
  const ticks = (count: number, each: () => void = () => {}) => {
    for (let n = 0; n < count; n++) {
      each();
      pace.tick(TICK_MS);
    }
  };
  /** Requests as they usually are: the first byte comes within one tick. */
  const usual = (count: number) => {
    for (let n = 0; n < count; n++) {
      const watch = begin();
      watch.moved(1);
      watch.end(true);
    }
  };
  return { pace, given, begin, ticks, usual };
}

test("a first byte far later than usual is not waited for", () => {
  const { given, begin, ticks, usual } = stand();
  usual(20);
  begin();
  ticks(2);
  assert.deepEqual(given, []);
  ticks(1);
  assert.deepEqual(given, ["replaced"]);
});

test("nothing is usual before a few requests were seen; then only the stall counts", () => {
  const { given, begin, ticks, usual } = stand();
  usual(5);
  begin();
  ticks(STALL_MS / TICK_MS - 1);
  assert.deepEqual(given, []);
  ticks(1);
  assert.deepEqual(given, ["stalled"]);
});

test("silence in the middle is given a second", () => {
  const { given, begin, ticks } = stand();
  const watch = begin();
  ticks(10, () => watch.moved(1000));
  ticks(10);
  assert.deepEqual(given, []);
  ticks(1);
  assert.deepEqual(given, ["replaced"]);
});

test("a thread that was busy for long has not seen silence", () => {
  const { pace, given, begin, ticks } = stand();
  const watch = begin();
  ticks(10, () => watch.moved(1000));
  pace.tick(15_000);
  pace.tick(15_000);
  assert.deepEqual(given, []);
  assert.equal(watch.silentMs, 400);
});

test("a connection that waits for this side is not slow", () => {
  const { given, begin, ticks } = stand();
  const watch = begin();
  ticks(10, () => watch.moved(1000));
  watch.pause();
  ticks(2 * (STALL_MS / TICK_MS));
  assert.deepEqual(given, []);
  watch.resume();
  ticks(11);
  assert.deepEqual(given, ["replaced"]);
});

test("a connection four times slower than the others for two seconds is replaced, unless it is nearly done", () => {
  const { given, begin, ticks } = stand();
  const others = [begin(), begin(), begin(), begin()];
  const slow = begin();
  const nearlyDone = begin();
  nearlyDone.moved(64 * MiB - 3000);
  const move = () => {
    for (const watch of others) watch.moved(10_000);
    slow.moved(2400);
    nearlyDone.moved(100);
  };
  ticks(19, move);
  assert.deepEqual(given, []);
  ticks(10, move);
  assert.deepEqual(given, ["replaced"]);
});

test("when all are slow, none is replaced for it", () => {
  const { given, begin, ticks } = stand();
  const all = [begin(), begin(), begin(), begin(), begin()];
  ticks(100, () => {
    for (const watch of all) watch.moved(10);
  });
  assert.deepEqual(given, []);
});

test("a tenth of all requests may be replaced, or two in ten seconds when there are few", () => {
  const few = stand();
  few.usual(10);
  for (let n = 0; n < 10; n++) few.begin();
  few.ticks(50);
  assert.deepEqual(few.given, ["replaced", "replaced"]);
  few.ticks(100);
  assert.equal(few.given.length, 4, "ten seconds later, two more");
  const many = stand();
  many.usual(200);
  for (let n = 0; n < 100; n++) many.begin();
  many.ticks(20);
  assert.equal(many.given.length, 30);
});

test("replacements that are slow, too, teach patience; requests in time end it", () => {
  const { given, begin, ticks, usual } = stand();
  usual(40);
  const waits = () => {
    const before = given.length;
    const watch = begin("get", true);
    let count = 0;
    for (; given.length === before && count < 100; count++) ticks(1);
    watch.end(false);
    ticks(101);
    return count;
  };
  const waited = [waits(), waits(), waits()];
  assert.deepEqual(waited, [3, 6, 11]);
  usual(64);
  assert.equal(waits(), 3);
});

test("a body is not sent twice because it goes slowly; an answer that does not come is asked for again when answers usually do", () => {
  const { given, begin, ticks } = stand();
  for (let n = 0; n < 10; n++) {
    const put = begin("put");
    put.sent();
    put.end(true);
  }
  const put = begin("put");
  ticks(150);
  assert.deepEqual(given, []);
  put.moved(1000);
  put.sent();
  ticks(20);
  assert.deepEqual(given, []);
  ticks(2);
  assert.deepEqual(given, ["replaced"]);
});

test("a body that does not move at all is a stall", () => {
  const { given, begin, ticks } = stand();
  begin("put");
  ticks(STALL_MS / TICK_MS);
  assert.deepEqual(given, ["stalled"]);
});
