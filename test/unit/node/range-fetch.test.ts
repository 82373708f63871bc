import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { type TestContext, test } from "node:test";
import { rangeFetch } from "../../../functions/node/range-fetch.ts";
import { MiB } from "../../../shared/units.ts";

const IDLE_MS = 60_000;
const bytes = randomBytes(3 * MiB + 7);

/** A store that answers each request of a connection by `answer`. */
async function store(t: TestContext, answer: (socket: Socket, count: number, request: string) => void) {
  const seen = { connections: 0, requests: 0 };
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    seen.connections++;
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("data", (request) => answer(socket, ++seen.requests, String(request)));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/bucket/key?signed`, seen };
}

function whole(socket: Socket, more = ""): void {
  socket.write(`HTTP/1.1 206 Partial Content\r\ncontent-length: ${bytes.length}\r\netag: "a"\r\n${more}\r\n`);
  socket.write(bytes);
}

const read = async (answer: Response) => Buffer.from(await answer.arrayBuffer());

test("ranges one after another use one connection, and are the bytes that were sent, whatever the network cuts", async (t) => {
  const { url, seen } = await store(t, (socket, _, request) => {
    assert.match(request, /^GET \/bucket\/key\?signed HTTP\/1\.1\r\nhost: 127\.0\.0\.1:\d+\r\nrange: bytes=1-2\r\n/);
    whole(socket);
  });
  const get = rangeFetch(IDLE_MS);
  for (let count = 0; count < 3; count++) {
    const answer = await get(url, "bytes=1-2", undefined);
    assert.deepEqual([answer.status, answer.headers.get("etag")], [206, '"a"']);
    assert.ok((await read(answer)).equals(bytes));
  }
  assert.deepEqual(seen, { connections: 1, requests: 3 });
});

test("a reader that does not read holds back the store; one that goes away ends the connection", async (t) => {
  let [written, isClosed] = [0, false];
  const { url } = await store(t, (socket) => {
    socket.on("close", () => {
      isClosed = true;
    });
    socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${1024 * MiB}\r\n\r\n`);
    const taken = () => {
      written += bytes.length;
    };
    const more = () => {
      while (!socket.destroyed && socket.write(bytes, taken));
    };
    socket.on("drain", more);
    more();
  });
  const answer = await rangeFetch(IDLE_MS)(url, "bytes=0-1", undefined);
  for (let before = -1; before !== written; ) {
    before = written;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  assert.ok(written < 100 * MiB, `${written} bytes were taken`);
  await answer.body?.cancel();
  while (!isClosed) await new Promise((resolve) => setTimeout(resolve, 5));
});

test("what a store says of the encoding that it was asked for is no reason to ask twice", async (t) => {
  const { url, seen } = await store(t, (socket) => whole(socket, "content-encoding: identity\r\n"));
  assert.ok((await read(await rangeFetch(IDLE_MS)(url, "bytes=0-", undefined))).equals(bytes));
  assert.equal(seen.requests, 1);
});

for (const [what, answer] of [
  ["packed", (socket: Socket) => socket.write("HTTP/1.1 206 X\r\ncontent-length: 3\r\ncontent-encoding: none\r\n\r\nabc")],
  ["chunked", (socket: Socket) => socket.write("HTTP/1.1 206 X\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")],
  ["without a length", (socket: Socket) => socket.end("HTTP/1.1 206 X\r\nconnection: close\r\n\r\nabc")],
  ["of HTTP/1.0", (socket: Socket) => socket.end("HTTP/1.0 206 X\r\ncontent-length: 3\r\n\r\nabc")],
] as const)
  test(`an answer ${what} is asked for again by fetch, and is right`, async (t) => {
    const { url } = await store(t, answer);
    assert.equal(String(await read(await rangeFetch(IDLE_MS)(url, "bytes=0-2", undefined))), "abc");
  });

test("a connection that was closed meanwhile is made anew; an answer that breaks off fails its reader", async (t) => {
  const { url, seen } = await store(t, (socket, count) => {
    if (count === 1) return whole(socket);
    if (count === 2) return void socket.destroy();
    if (count === 3) return whole(socket, "connection: close\r\n");
    socket.end(`HTTP/1.1 206 X\r\ncontent-length: 10\r\n\r\nabc`);
  });
  const get = rangeFetch(IDLE_MS);
  assert.ok((await read(await get(url, "bytes=0-", undefined))).equals(bytes));
  assert.ok((await read(await get(url, "bytes=0-", undefined))).equals(bytes));
  assert.deepEqual(seen, { connections: 2, requests: 3 });
  await assert.rejects(read(await get(url, "bytes=0-", undefined)));
});

test("a connection ends when it was idle for long, but not under who reads slowly or waits", async (t) => {
  const idleMs = 30;
  const closed = Promise.withResolvers<void>();
  const { url } = await store(t, (socket, count) => {
    socket.once("close", () => closed.resolve());
    // The second answer comes later than a connection may idle.
    setTimeout(() => whole(socket), count === 2 ? 4 * idleMs : 0);
  });
  const get = rangeFetch(idleMs);
  assert.ok((await read(await get(url, "bytes=0-", undefined))).equals(bytes));
  assert.ok((await read(await get(url, "bytes=0-", undefined))).equals(bytes));
  await closed.promise;
});

test("a connection whose last answer was longer than its reader liked goes on with the next one", async (t) => {
  // The end of the body comes with the bytes that held back the store.
  const body = bytes.subarray(0, MiB + MiB / 4);
  const { url, seen } = await store(t, (socket) => {
    socket.cork();
    socket.write(`HTTP/1.1 206 X\r\ncontent-length: ${body.length}\r\n\r\n`);
    socket.write(body);
    socket.uncork();
  });
  const get = rangeFetch(IDLE_MS);
  for (let count = 0; count < 30; count++) {
    const answer = await get(url, "bytes=0-", AbortSignal.timeout(60_000));
    await new Promise((resolve) => setTimeout(resolve, 2));
    assert.ok((await read(answer)).equals(body));
  }
  assert.equal(seen.requests, 30);
});

test("nobody there fails as fetch fails; a signal ends what is asked and what is read", async (t) => {
  const get = rangeFetch(IDLE_MS);
  await assert.rejects(get("http://127.0.0.1:9/x", "bytes=0-", undefined), TypeError);
  const silent = await store(t, () => {});
  const stop = new AbortController();
  const asking = get(silent.url, "bytes=0-", stop.signal);
  setTimeout(() => stop.abort(new Error("enough")), 20);
  await assert.rejects(asking, /enough/);
  const half = await store(t, (socket) => void socket.write("HTTP/1.1 206 X\r\ncontent-length: 10\r\n\r\nabc"));
  const other = new AbortController();
  const answer = await get(half.url, "bytes=0-", other.signal);
  setTimeout(() => other.abort(new Error("enough")), 20);
  await assert.rejects(read(answer), /enough/);
});
