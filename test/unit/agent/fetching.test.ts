/** When a peer is left because it crawls, and when it is not its fault. */
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { join } from "node:path";
import { afterEach, beforeEach, type TestContext, test } from "node:test";
import { CacheFolder } from "../../../scripts/agent/cache-folder.ts";
import { type FetchEnd, fetchInto } from "../../../scripts/agent/fetching.ts";
import { Filling } from "../../../scripts/agent/filling.ts";
import { Flow, Paces, TICK_MS } from "../../../scripts/agent/pace.ts";
import type { BodySink, Transport } from "../../../scripts/node/transport.ts";
import { Digest } from "../../../shared/digest.ts";
import { KiB, MiB } from "../../../shared/units.ts";
import { tempFolder } from "../../support/trees.ts";

const SIZE = MiB;
const FLOOR = 64 * KiB;
const SECOND = 1000 / TICK_MS;

let folder: { path: string; remove: () => void };
beforeEach(() => {
  folder = tempFolder();
});
afterEach(() => folder.remove());

/** Ticks until the fetch ends, null when it goes on; the peer gives and tells what it is told to, tick by tick. */
async function ticksUntilLeft(
  t: TestContext,
  {
    bytesPerTick,
    told,
    limitSeconds = 100,
  }: { bytesPerTick: number; told: (own: number) => number | null | Promise<number>; limitSeconds?: number },
): Promise<number | null> {
  t.mock.timers.enable({ apis: ["setInterval"] });
  const bytes = randomBytes(SIZE);
  const chunk = { sha256: Digest.parse(createHash("sha256").update(bytes).digest("hex")), size: SIZE };
  const filling = new Filling(CacheFolder.open(join(folder.path, "cache"), { anySystem: true }), chunk);
  let sink: BodySink | null = null;
  const transport: Transport = {
    get: (_, to, { signal }) => {
      sink = to;
      return new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason), { once: true }));
    },
    put: async () => ({ kind: "broken", problem: "" }),
    close: async () => {},
  };
  const flow = new Flow("peer");
  let end: FetchEnd | null = null;
  const suspicion = { patience: { silentMs: 4_000, standstillMs: 60_000 }, floor: () => FLOOR, progress: async () => told(filling.bytes) };
  const never = new AbortController().signal;
  void fetchInto(filling, "http://peer/", { transport, signal: never, flow, onBytes: () => {} }, suspicion).then((ended) => {
    end = ended;
  });
  let ticks = 0;
  while (end === null && ticks < limitSeconds * SECOND) {
    const next = Math.min(SIZE - 1, filling.bytes + bytesPerTick);
    if (next > filling.bytes) (sink as BodySink | null)?.write(bytes.subarray(filling.bytes, next));
    flow.add(bytesPerTick);
    ticks++;
    t.mock.timers.tick(TICK_MS);
    await new Promise((resolve) => setImmediate(resolve));
  }
  t.mock.timers.reset();
  filling.fail(new Error("over"));
  return end === null ? null : ticks;
}

test("a peer that has the chunk and gives too little of it is left within two seconds", async (t) => {
  const ticks = await ticksUntilLeft(t, { bytesPerTick: 2_500, told: () => SIZE });
  assert.ok(ticks !== null && ticks <= 2 * SECOND, `${ticks}`);
});

test("so is one that gives nothing at all", async (t) => {
  const ticks = await ticksUntilLeft(t, { bytesPerTick: 0, told: () => SIZE });
  assert.ok(ticks !== null && ticks <= 2 * SECOND, `${ticks}`);
});

test("one that takes long to say how much it has is busy, and is left later", async (t) => {
  // Answers come two ticks after the question.
  const late = () => new Promise<number>((resolve) => setImmediate(() => setImmediate(() => setImmediate(() => resolve(SIZE)))));
  const ticks = await ticksUntilLeft(t, { bytesPerTick: 2_500, told: late });
  assert.ok(ticks !== null && ticks > 4 * SECOND && ticks < 30 * SECOND, `${ticks}`);
});

test("one that gives enough stays", async (t) => {
  assert.equal(await ticksUntilLeft(t, { bytesPerTick: FLOOR / SECOND + 1, told: () => SIZE, limitSeconds: 15 }), null);
});

test("one that has no more itself is waited for, a minute", async (t) => {
  const ticks = await ticksUntilLeft(t, { bytesPerTick: 0, told: (own) => own });
  assert.equal(ticks, 60 * SECOND);
});

test("one that does not answer is left after five seconds", async (t) => {
  const ticks = await ticksUntilLeft(t, { bytesPerTick: 0, told: () => null });
  assert.ok(ticks !== null && ticks <= 6 * SECOND, `${ticks}`);
});

test("what is too little goes by what the others give now: where all are slow, nobody crawls", () => {
  const paces = new Paces();
  const flow = (source: string, bytesPerTick: number) => {
    const begun = paces.begin(source);
    for (let at = 0; at < SECOND; at++) {
      begun.add(bytesPerTick);
      begun.tick();
    }
    return begun;
  };
  // Alone: by what was usual, within bounds.
  assert.equal(paces.floor("one", 0), 32 * KiB);
  assert.equal(paces.floor("one", 100 * MiB), 256 * KiB);
  const [two, three, standing] = [flow("two", 4 * MiB), flow("three", 8 * MiB), flow("four", 0)];
  assert.equal(paces.floor("one", 0), 4 * MiB);
  // Its own other flows say nothing of it, nor do those that wait.
  assert.equal(paces.floor("three", 0), (4 * MiB * SECOND) / 8);
  for (const over of [two, three, standing]) paces.end(over);
  flow("five", KiB);
  assert.equal(paces.floor("one", 100 * MiB), 32 * KiB);
});
