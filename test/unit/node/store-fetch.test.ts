import assert from "node:assert/strict";
import { createServer as createHttpServer, type Server } from "node:http";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { type TestContext, test } from "node:test";
import { storeFetch } from "../../../functions/node/store-fetch.ts";
import { understand } from "../../../functions/storage/failure.ts";

const HEAD = { method: "HEAD", redirect: "manual", headers: { authorization: "signed" } } as const;

async function listen(t: TestContext, server: Server | ReturnType<typeof createServer>): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    if ("closeAllConnections" in server) server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/bucket/key`;
}

/** A server whose answers are these bytes; tells how often it was connected to. */
async function rawServer(t: TestContext, answer: (socket: Socket, count: number) => void) {
  const seen = { connections: 0, requests: 0 };
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    seen.connections++;
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("data", () => answer(socket, ++seen.requests));
  });
  t.after(() => {
    for (const socket of sockets) socket.destroy();
  });
  return { url: await listen(t, server), seen };
}

test("HEADs one after another use one connection, and tell status and headers", async (t) => {
  let connections = 0;
  const server = createHttpServer((request, response) => {
    const isSigned = request.method === "HEAD" && request.headers.authorization === "signed";
    response.writeHead(isSigned ? 200 : 403, { "content-length": 7, "x-amz-meta-a": "b" }).end();
  });
  server.on("connection", () => connections++);
  const url = await listen(t, server);
  const fetchIt = storeFetch();
  for (let count = 0; count < 20; count++) {
    const answer = await fetchIt(url, HEAD);
    assert.deepEqual([answer.status, answer.headers.get("content-length"), answer.headers.get("x-amz-meta-a")], [200, "7", "b"]);
  }
  assert.equal(connections, 1);
});

test("a redirect is answered, not followed", async (t) => {
  const url = await listen(
    t,
    createHttpServer((_, response) => void response.writeHead(307, { location: "http://127.0.0.1:1/" }).end()),
  );
  assert.equal((await storeFetch()(url, HEAD)).status, 307);
});

test("a store that sends a body after a HEAD spoils no other answer", async (t) => {
  const { url, seen } = await rawServer(t, (socket, count) => {
    socket.write(`HTTP/1.1 ${count % 2 === 1 ? 200 : 404} x\r\nContent-Length: 31\r\n\r\nHTTP/1.1 500 not what was asked`);
  });
  const fetchIt = storeFetch();
  const statuses: number[] = [];
  for (let count = 0; count < 6; count++) {
    statuses.push((await fetchIt(url, HEAD)).status);
    // The rest of the answer arrives, if it had not.
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.deepEqual(statuses, [200, 404, 200, 404, 200, 404]);
  assert.equal(seen.requests, 6);
});

test("a connection that the store closed while it was idle costs no failure", async (t) => {
  const { url, seen } = await rawServer(t, (socket, count) => {
    // Every second request finds the connection closed without an answer, as when the store's idle time has just run out.
    if (count % 2 === 0) socket.destroy();
    else socket.write("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n");
  });
  const fetchIt = storeFetch();
  for (let count = 0; count < 4; count++) assert.equal((await fetchIt(url, HEAD)).status, 200);
  assert.ok(seen.connections > 1);
});

test("a store that closes every connection without an answer fails once, under its own code", async (t) => {
  const { url, seen } = await rawServer(t, (socket) => socket.destroy());
  const failure = await storeFetch()(url, HEAD).catch(understand);
  assert.equal(failure instanceof Error && failure.message, "no answer (ECONNRESET)");
  assert.equal(seen.requests, 1);
});

test("one that is told to stop fails with the signal's reason, before and while it waits", async (t) => {
  const { url } = await rawServer(t, () => {});
  const before = AbortSignal.abort(new Error("too late"));
  await assert.rejects(storeFetch()(url, { ...HEAD, signal: before }), /too late/);
  const stop = new AbortController();
  const waiting = storeFetch()(url, { ...HEAD, signal: stop.signal });
  stop.abort(new DOMException("no time left", "TimeoutError"));
  await assert.rejects(waiting, { name: "TimeoutError" });
});

test("all but HEADs are fetch's own", async (t) => {
  const url = await listen(
    t,
    createHttpServer((request, response) => void response.end(request.method)),
  );
  assert.equal(await (await storeFetch()(url)).text(), "GET");
  assert.equal(await (await storeFetch()(url, { method: "PUT", body: "x" })).text(), "PUT");
});
