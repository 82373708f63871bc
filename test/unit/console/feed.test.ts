/** The console's feed: what it does when streams end, hang, fail or never come; on a clock of its own. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Feed, type FeedPorts, type FeedState, POLL_MS } from "../../../functions/dashboard/app/live/feed.ts";
import { messagesIn } from "../../../functions/dashboard/app/live/sse.ts";
import type { EventPage } from "../../../shared/contract/events.ts";

const MINUTE_MS = 60_000;
const event = (n: number) => ({
  id: `e${n}`,
  cursor: `${n}-0`,
  type: "tag.moved",
  at: "2026-01-01T00:00:00Z",
  repositoryId: null,
  repository: null,
  about: {},
});
const told = (n: number) => `id: ${n}-0\nevent: tag.moved\ndata: ${JSON.stringify(event(n))}\n\n`;
const page = (events: number[], next: number): EventPage => ({ events: events.map(event), next: `${next}-0`, missed: false });
const streamOf = (...texts: string[]) => new Blob(texts).stream() as ReadableStream<Uint8Array>;
/** Never says anything, until its signal fires. */
const silent = (signal: AbortSignal) =>
  new ReadableStream<Uint8Array>({ start: (out) => signal.addEventListener("abort", () => out.error(signal.reason)) });

type Asked = { after: string | null; atMs: number };

/** Time passes when everybody sleeps. `forMs`: how long the feed is run. */
async function run(forMs: number, given: Partial<FeedPorts> & { ended?: unknown }) {
  let nowMs = 0;
  const sleepers: { atMs: number; wake: () => void }[] = [];
  const streams: Asked[] = [];
  const pages: Asked[] = [];
  const events: string[] = [];
  const states: FeedState[] = [];
  const ending = new AbortController();
  const ports: FeedPorts = {
    now: () => nowMs,
    random: () => 0.5,
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        if (signal.aborted) return reject(signal.reason);
        const sleeper = { atMs: nowMs + ms, wake: resolve };
        sleepers.push(sleeper);
        signal.addEventListener("abort", () => {
          sleepers.splice(sleepers.indexOf(sleeper) >>> 0, 1);
          reject(signal.reason);
        });
      }),
    stream: async () => null,
    page: async () => page([], 0),
    onEvents: (list, missed) => events.push(...list.map(({ id }) => id), ...(missed ? ["missed"] : [])),
    onState: (state) => {
      if (states.at(-1) !== state) states.push(state);
    },
    isEnded: (problem) => problem === given.ended,
    ...given,
  };
  const feed = new Feed({
    ...ports,
    stream: (after, signal) => {
      streams.push({ after, atMs: nowMs });
      return ports.stream(after, signal);
    },
    page: (after, signal) => {
      pages.push({ after, atMs: nowMs });
      return ports.page(after, signal);
    },
  });
  let over = false;
  const running = feed.run(ending.signal).finally(() => {
    over = true;
  });
  running.catch(() => {});
  while (!over && nowMs < forMs) {
    for (let turn = 0; turn < 30; turn++) await new Promise((resolve) => setImmediate(resolve));
    sleepers.sort((a, b) => a.atMs - b.atMs);
    const next = sleepers.shift();
    if (next === undefined) continue;
    nowMs = Math.max(nowMs, next.atMs);
    next.wake();
  }
  ending.abort(new DOMException("left", "AbortError"));
  await running;
  return { streams, pages, events, states, feed };
}

test("a stream that ends is asked for again after about a second, from the last event on; a comment's id counts as well", async () => {
  let asked = 0;
  const { streams, events, states, pages } = await run(4_000, {
    stream: async () => [streamOf(told(1), "id: 5-0\n: alive\n\n"), streamOf(told(6))][asked++] ?? streamOf(": alive\n\n"),
  });
  assert.deepEqual(
    streams.slice(0, 3).map(({ after }) => after),
    [null, "5-0", "6-0"],
  );
  assert.deepEqual(events, ["e1", "e6"]);
  assert.ok(streams.length <= 6, `${streams.length} streams in 4 s`);
  assert.deepEqual([pages.length, states], [0, ["streaming", "off"]]);
});

test("where streams bring nothing it asks in steps of ten seconds, and tries a stream again minutes later", async () => {
  const { streams, pages, states, events } = await run(10 * MINUTE_MS, {
    stream: async (_, signal) => silent(signal),
    page: async (after) => page(after === null ? [] : [Number(after.split("-")[0]) + 1], Number(after?.split("-")[0] ?? 7) + 1),
  });
  assert.ok(streams.length <= 6, `${streams.length} streams`);
  assert.ok(pages.length >= 45 && pages.length <= (10 * MINUTE_MS) / POLL_MS, `${pages.length} pages`);
  assert.ok(states.includes("polling"));
  assert.deepEqual(events.slice(0, 3), ["e9", "e10", "e11"]);
});

test("no storm: while nothing answers the pauses grow to a minute", async () => {
  const refuse = async () => Promise.reject(new TypeError("failed to fetch"));
  const { streams, pages } = await run(60 * MINUTE_MS, { stream: refuse, page: refuse });
  const all = [...streams, ...pages].map(({ atMs }) => atMs).sort((a, b) => a - b);
  assert.ok(all.filter((atMs) => atMs < MINUTE_MS).length <= 8, `${all.filter((atMs) => atMs < MINUTE_MS).length} in the first minute`);
  assert.ok(all.length <= 75, `${all.length} in an hour`);
});

test("the end of a log-in ends it, and is told; so does the tab that is hidden, silently", async () => {
  const ended = new Error("401");
  await assert.rejects(run(MINUTE_MS, { stream: async () => Promise.reject(ended), ended }), /401/);
  const { states } = await run(1, { stream: async (_, signal) => silent(signal) });
  assert.deepEqual(states, ["off"]);
});

test("events that are kept no more are told as missed", async () => {
  const { events } = await run(500, { stream: async () => streamOf(`event: missed\ndata: {}\n\n${told(3)}`) });
  assert.deepEqual(events.slice(0, 2), ["missed", "e3"]);
});

test("messages are the same wherever the network cuts them, with any kind of line end", async () => {
  const text = 'retry: 1000\n\nid: 1-0\r\nevent: a\r\ndata: {"x":\r\ndata: 1}\r\n\r\n: alive\rid: 2-0\r\rdata: 文\n\n';
  const bytes = new TextEncoder().encode(text);
  const read = async (parts: Uint8Array[]) => {
    const all = [];
    const stream = new ReadableStream<Uint8Array>({
      start(out) {
        for (const part of parts) out.enqueue(part);
        out.close();
      },
    });
    for await (const message of messagesIn(stream)) all.push(message);
    return all;
  };
  const expected = [
    { id: "", event: "message", data: "" },
    { id: "1-0", event: "a", data: '{"x":\n1}' },
    { id: "2-0", event: "message", data: "" },
    { id: "2-0", event: "message", data: "文" },
  ];
  assert.deepEqual(await read([bytes]), expected);
  assert.deepEqual(await read(Array.from(bytes, (byte) => Uint8Array.of(byte))), expected);
});
