/** What a watched transport does with a transport that stalls: it asks for the rest, once and elsewhere, and gives up in time. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { Throttle } from "../../../scripts/node/throttle.ts";
import type { GetRequest, PutRequest, Transport } from "../../../scripts/node/transport.ts";
import { WatchedTransport } from "../../../scripts/node/watched-transport.ts";
import { TICK_MS } from "../../../shared/transfer/pace.ts";
import type { Machine } from "../../../shared/transfer/ports.ts";

const never = new AbortController().signal;
const URL_OF_CHUNK = "http://store.example/chunk";
const turns = async () => {
  for (let n = 0; n < 5; n++) await new Promise((resolve) => setImmediate(resolve));
};

/** Time that the test moves; timers included. */
function clock(context: TestContext): { machine: Machine; pass: (ms: number) => Promise<void> } {
  context.mock.timers.enable({ apis: ["setInterval"] });
  let nowMs = 0;
  let sleepers: { untilMs: number; wake: () => void }[] = [];
  const machine: Machine = {
    nowMs: () => nowMs,
    random: () => 0,
    operationId: () => "operation-0000001",
    sleep: (ms) => new Promise((resolve) => sleepers.push({ untilMs: nowMs + ms, wake: resolve })),
  };
  const pass = async (ms: number) => {
    for (let passed = 0; passed < ms; passed += TICK_MS) {
      nowMs += TICK_MS;
      context.mock.timers.tick(TICK_MS);
      for (const sleeper of sleepers.filter(({ untilMs }) => untilMs <= nowMs)) sleeper.wake();
      sleepers = sleepers.filter(({ untilMs }) => untilMs > nowMs);
      await turns();
    }
  };
  return { machine, pass };
}

/** A store of ten bytes. `stalls` says of each request, from 1, after how many bytes it stops; null: it does not. */
function tenBytes(stalls: (nth: number) => number | null): Transport & { gets: GetRequest[]; puts: PutRequest[] } {
  const gets: GetRequest[] = [];
  const puts: PutRequest[] = [];
  const stopped = (signal: AbortSignal) => new Promise<never>((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
  return {
    gets,
    puts,
    async get(request, sink, { signal, onBytes }) {
      const end = stalls(gets.push(request));
      const bytes = Buffer.from("0123456789").subarray(request.offset, end === null ? request.end : Math.min(request.end, end));
      if (bytes.length > 0) {
        onBytes(bytes.length);
        await sink.write(bytes);
      }
      return end === null ? { kind: "complete" } : stopped(signal);
    },
    async put(request, { signal, onBytes }) {
      const end = stalls(puts.push(request));
      await request.body()(Buffer.alloc(request.sizeBytes));
      onBytes(request.sizeBytes);
      return end === null ? { kind: "answered", status: 200, code: "", retryAfterSeconds: 0 } : stopped(signal);
    },
    close: async () => {},
  };
}

function watched(
  inner: Transport,
  machine: Machine,
  { stallSeconds = 20, bytesPerSecond }: { stallSeconds?: number; bytesPerSecond?: number } = {},
) {
  const throttle = new Throttle(bytesPerSecond, machine);
  const transport = new WatchedTransport(inner, { stallSeconds, throttle, nowMs: machine.nowMs });
  const get = async (signal = never) => {
    let text = "";
    let told = 0;
    const sink = {
      restart: () => {
        text = "";
      },
      write: (bytes: Uint8Array) => {
        text += Buffer.from(bytes).toString();
        return null;
      },
    };
    const onBytes = (bytes: number) => {
      told += bytes;
    };
    const answer = await transport.get({ url: URL_OF_CHUNK, offset: 0, end: 10, sizeBytes: 10 }, sink, { signal, onBytes });
    return { answer, text, told };
  };
  const put = () => {
    const request = { method: "PUT", url: URL_OF_CHUNK, headers: {}, sizeBytes: 10, body: () => async () => {} };
    return transport.put(request, { signal: never, onBytes: () => {} });
  };
  return { get, put, transport };
}

test("what stops in the middle is asked for again from there, on a new connection; no byte comes twice", async (context) => {
  const { machine, pass } = clock(context);
  const inner = tenBytes((nth) => (nth === 9 ? 4 : null));
  const { get } = watched(inner, machine);
  for (let n = 0; n < 8; n++) await get();
  const pulled = get();
  await pass(3000);
  assert.deepEqual(await pulled, { answer: { kind: "complete" }, text: "0123456789", told: 10 });
  assert.deepEqual(
    inner.gets.slice(8).map(({ offset, fresh }) => ({ offset, fresh })),
    [
      { offset: 0, fresh: false },
      { offset: 4, fresh: true },
    ],
  );
});

test("what never moves is told as a stall, after as long as was said", async (context) => {
  const { machine, pass } = clock(context);
  const { get, put } = watched(
    tenBytes(() => 0),
    machine,
    { stallSeconds: 5 },
  );
  const all = Promise.all([get(), put()]);
  await pass(5200);
  const [{ answer }, putAnswer] = await all;
  const stalled = { kind: "broken", problem: "nothing moved for 5 s", stalledSeconds: 5 };
  assert.deepEqual([answer, putAnswer], [stalled, stalled]);
});

test("all bytes without the end of the answer are all bytes", async (context) => {
  const { machine, pass } = clock(context);
  const { get } = watched(
    tenBytes(() => 10),
    machine,
    { stallSeconds: 1 },
  );
  const pulled = get();
  await pass(2000);
  assert.deepEqual((await pulled).answer, { kind: "complete" });
});

test("an answer that does not follow a body is asked for again on a new connection", async (context) => {
  const { machine, pass } = clock(context);
  const inner = tenBytes((nth) => (nth === 9 ? 0 : null));
  const { put } = watched(inner, machine);
  for (let n = 0; n < 8; n++) await put();
  const pushed = put();
  await pass(4000);
  assert.equal((await pushed).kind, "answered");
  assert.deepEqual([inner.puts.length, inner.puts.at(-1)?.fresh], [10, true]);
});

test("a stop from outside is not taken for a stall", async (context) => {
  const { machine, pass } = clock(context);
  const { get } = watched(
    tenBytes(() => 0),
    machine,
  );
  const stop = new AbortController();
  const pulled = get(stop.signal);
  await pass(500);
  stop.abort(new Error("enough"));
  await assert.rejects(pulled, /enough/);
});

test("the cap holds what goes both ways together, and what it holds back is no stall", async (context) => {
  const { machine, pass } = clock(context);
  const { get, put } = watched(
    tenBytes(() => null),
    machine,
    { stallSeconds: 1, bytesPerSecond: 1 },
  );
  let ended = 0;
  const count = () => ended++;
  for (let n = 0; n < 2; n++) void Promise.all([get().then(count), put().then(count)]);
  await pass(25_000);
  assert.equal(ended, 2);
  await pass(15_000);
  assert.equal(ended, 4);
});
