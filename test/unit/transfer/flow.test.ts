/** The engine's small machines: crews, pools, pages, windows, retries, URL pages; on a clock that tests move. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { FerryError } from "../../../shared/errors.ts";
import { Crew, pool } from "../../../shared/transfer/crew.ts";
import { Pages } from "../../../shared/transfer/pages.ts";
import type { Machine } from "../../../shared/transfer/ports.ts";
import { RetryBudget, Tries } from "../../../shared/transfer/retry.ts";
import { Semaphore, Window } from "../../../shared/transfer/semaphore.ts";

const never = new AbortController().signal;
const ticks = async (count = 5) => {
  for (let n = 0; n < count; n++) await new Promise((resolve) => setImmediate(resolve));
};

/** Sleeps end when the test says so; how long they were to be is written down. */
function stoppedMachine(): Machine & { slept: number[]; wake: () => void } {
  let waiting: (() => void)[] = [];
  const slept: number[] = [];
  return {
    slept,
    nowMs: () => 0,
    random: () => 0.5,
    operationId: () => "operation-0000001",
    sleep: (ms) => {
      slept.push(ms);
      return new Promise((resolve) => waiting.push(resolve));
    },
    wake: () => {
      for (const resolve of waiting.splice(0)) resolve();
      waiting = [];
    },
  };
}

test("a pool runs at most its width at once, and everything once", async () => {
  let [running, most] = [0, 0];
  const seen: number[] = [];
  await pool(
    Array.from({ length: 20 }, (_, n) => n),
    { width: 3, signal: never },
    async (n) => {
      most = Math.max(most, ++running);
      await ticks(1);
      running--;
      seen.push(n);
    },
  );
  assert.equal(most, 3);
  assert.deepEqual(
    seen.sort((a, b) => a - b),
    Array.from({ length: 20 }, (_, n) => n),
  );
});

test("the first failure of a pool stops the rest, is what is thrown, and nothing runs any more", async () => {
  let running = 0;
  const started: number[] = [];
  const work = pool([1, 2, 3, 4, 5, 6], { width: 2, signal: never }, async (n, signal) => {
    started.push(n);
    running++;
    try {
      if (n === 2) throw new Error("two");
      await ticks(3);
      signal.throwIfAborted();
    } finally {
      running--;
    }
  });
  await assert.rejects(work, /two/);
  assert.equal(running, 0);
  assert.deepEqual(started, [1, 2]);
});

test("a pool that is stopped from outside throws the reason", async () => {
  const stop = new AbortController();
  const work = pool([1, 2, 3], { width: 1, signal: stop.signal }, async () => {
    stop.abort(new Error("enough"));
  });
  await assert.rejects(work, /enough/);
});

test("a crew can be used again after it has finished, and is still stopped from outside", async () => {
  const stop = new AbortController();
  const crew = new Crew(stop.signal);
  crew.start(async () => {});
  await crew.finish();
  crew.start(() => new Promise((_, reject) => crew.signal.addEventListener("abort", () => reject(new Error("stopped")))));
  stop.abort(new Error("enough"));
  await assert.rejects(crew.finish(), /enough/);
});

test("a page leaves when it is full, the rest without company", async () => {
  const machine = stoppedMachine();
  const asked: number[][] = [];
  const ask = async (items: number[]) => {
    asked.push(items);
    return items.map((n) => n * 2);
  };
  const pages = new Pages({ pageMax: 3, lingerMs: 10, width: 2, machine, signal: never, ask });
  const answers = Promise.all([1, 2, 3, 4].map((n) => pages.ask(n)));
  assert.deepEqual(await answers, [2, 4, 6, 8]);
  assert.deepEqual(asked, [[1, 2, 3], [4]]);
});

test("while a page is on its way, others gather, and leave together when it is back", async () => {
  const machine = stoppedMachine();
  const asked: number[][] = [];
  let answer = () => {};
  const ask = (items: number[]) => {
    asked.push(items);
    return new Promise<number[]>((resolve) => {
      answer = () => resolve(items);
    });
  };
  const pages = new Pages({ pageMax: 3, lingerMs: 10, width: 2, machine, signal: never, ask });
  const first = pages.ask(1);
  machine.wake();
  await ticks();
  const others = Promise.all([pages.ask(2), pages.ask(3)]);
  machine.wake();
  await ticks();
  assert.deepEqual(asked, [[1]]);
  answer();
  await first;
  await ticks();
  assert.deepEqual(asked, [[1], [2, 3]]);
  answer();
  assert.deepEqual(await others, [2, 3]);
});

test("in a hurry no page waits", async () => {
  const machine = stoppedMachine();
  const pages = new Pages<number, number>({ pageMax: 3, lingerMs: 10, width: 1, machine, signal: never, ask: async (items) => items });
  const first = pages.ask(1);
  pages.hurry();
  assert.equal(await first, 1);
  assert.equal(await pages.ask(2), 2);
});

test("a page that fails fails all who wait for it, and only them", async () => {
  const machine = stoppedMachine();
  const ask = async (items: number[]) => {
    if (items.includes(1)) throw new Error("no");
    return items;
  };
  const pages = new Pages({ pageMax: 2, lingerMs: 10, width: 2, machine, signal: never, ask });
  const results = await Promise.allSettled([1, 2, 3, 4].map((n) => pages.ask(n)));
  assert.deepEqual(
    results.map((result) => result.status),
    ["rejected", "rejected", "fulfilled", "fulfilled"],
  );
});

test("a semaphore lets in who came first, and nobody after the stop", async () => {
  const stop = new AbortController();
  const semaphore = new Semaphore(1);
  const order: number[] = [];
  const enter = (n: number) =>
    semaphore.use(stop.signal, async () => {
      order.push(n);
      await ticks(1);
      if (n === 2) stop.abort(new Error("enough"));
    });
  const results = await Promise.allSettled([1, 2, 3].map(enter));
  assert.deepEqual(order, [1, 2]);
  assert.equal(results[2]?.status, "rejected");
});

test("a window holds the producer back, but lets one large unit pass alone", async () => {
  const window = new Window(10);
  await window.take(100, never);
  let passed = false;
  const second = window.take(1, never).then(() => {
    passed = true;
  });
  await ticks();
  assert.equal(passed, false);
  window.give(100);
  await second;
});

test("waits between tries grow, are jittered, and are never shorter than the store asks", async () => {
  const machine = stoppedMachine();
  const tries = new Tries("chunk", machine, new RetryBudget());
  const busy = (retryAfterSeconds: number) => ({ kind: "answered", status: 503, code: "SlowDown", retryAfterSeconds }) as const;
  for (const seconds of [0, 0, 0, 2]) {
    const waiting = tries.fail(busy(seconds), never);
    machine.wake();
    await waiting;
  }
  assert.deepEqual(machine.slept, [100, 200, 400, 2800]);
});

test("tries end, and say what the store said; progress lets them start again", async () => {
  const machine = { ...stoppedMachine(), sleep: async () => {} };
  const tries = new Tries("chunk abc", machine, new RetryBudget());
  const cut = { kind: "broken", problem: "ECONNRESET" } as const;
  for (let n = 0; n < 9; n++) await tries.fail(cut, never);
  tries.progress();
  for (let n = 0; n < 9; n++) await tries.fail(cut, never);
  const isLast = (error: FerryError) => error.code === "TRANSFER_FAILED" && error.message.includes("ECONNRESET");
  await assert.rejects(tries.fail(cut, never), isLast);
});

test("without another store a chunk waits for its own for as long as it may, less and less often, and then fails with what the store said", async () => {
  let nowMs = 0;
  const slept: number[] = [];
  const machine = {
    ...stoppedMachine(),
    nowMs: () => nowMs,
    random: () => 0.5,
    sleep: async (ms: number) => {
      slept.push(ms);
      nowMs += ms;
    },
  };
  const tries = new Tries("chunk abc", machine, new RetryBudget(3, 30_000));
  const busy = { kind: "answered", status: 503, code: "SlowDown", retryAfterSeconds: 0 } as const;
  const failed = (async () => {
    for (;;) await tries.fail(busy, never).catch((error: unknown) => tries.endure(error, never));
  })();
  await assert.rejects(failed, { code: "TRANSFER_FAILED" });
  assert.ok(nowMs >= 30_000 && nowMs < 45_000, `${nowMs} ms`);
  assert.deepEqual(slept.slice(0, 8), [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
});

test("what no wait can mend is not waited for", async () => {
  const tries = new Tries("chunk abc", { ...stoppedMachine(), sleep: async () => {} }, new RetryBudget(3, 30_000));
  const refused = new FerryError("TRANSFER_REFUSED", { what: "chunk abc", problem: "status 404 NoSuchKey" });
  await assert.rejects(tries.endure(refused, never), refused);
});

test("failures of all chunks together slow all of them down; one success ends that", () => {
  const budget = new RetryBudget();
  const ceilings: number[] = [];
  for (let failures = 0; failures < 96; failures++) {
    if (failures % 16 === 0) ceilings.push(budget.ceilingMs);
    budget.take();
  }
  assert.deepEqual(ceilings, [200, 400, 800, 1600, 3200, 3200]);
  budget.earn();
  assert.equal(budget.ceilingMs, 200);
});

test("a connection on which nothing moves ends in an error that says for how long", async () => {
  const machine = { ...stoppedMachine(), sleep: async () => {} };
  const tries = new Tries("chunk abc", machine, new RetryBudget(1));
  const stall = { kind: "broken", problem: "silence", stalledSeconds: 20 } as const;
  await tries.fail(stall, never);
  await assert.rejects(tries.fail(stall, never), { code: "TRANSFER_STALLED", details: { what: "chunk abc", seconds: 20 } });
});

test("a store that always fails is given up after the budget, however many chunks there are", async () => {
  const machine = { ...stoppedMachine(), sleep: async () => {} };
  const budget = new RetryBudget(20);
  let requests = 0;
  const chunk = async () => {
    const tries = new Tries("chunk", machine, budget);
    for (;;) {
      requests++;
      await tries.fail({ kind: "answered", status: 500, code: "", retryAfterSeconds: 0 }, never);
    }
  };
  const results = await Promise.allSettled(Array.from({ length: 50 }, chunk));
  assert.ok(results.every((result) => result.status === "rejected" && result.reason instanceof FerryError));
  assert.ok(requests <= 20 + 50, `${requests} requests`);
});
