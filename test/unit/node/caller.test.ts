import assert from "node:assert/strict";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { type AddressInfo, createServer as createTcpServer, type Socket } from "node:net";
import { after, test } from "node:test";
import { gzipSync } from "node:zlib";
import { Caller } from "../../../scripts/node/caller.ts";

const TEXT = JSON.stringify({ text: "Größe – 大" });

const asked: IncomingMessage[] = [];
const server = createServer((request, response) => {
  asked.push(request);
  route(request, response);
});
const origin = await new Promise<string>((resolve) => {
  server.listen(0, "127.0.0.1", () => resolve(`http://127.0.0.1:${(server.address() as AddressInfo).port}`));
});
after(() => {
  server.closeAllConnections();
  server.close();
});

function route(request: IncomingMessage, response: ServerResponse): void {
  switch (request.url) {
    case "/gzip":
      response.writeHead(200, { "content-encoding": "gzip" }).end(gzipSync(TEXT));
      break;
    case "/nothing":
      response.writeHead(204, { "content-encoding": "gzip" }).end();
      break;
    case "/redirect":
      response.writeHead(302, { location: "/" }).end("elsewhere");
      break;
    case "/cut":
      response.writeHead(200, { "content-length": "100" });
      response.write("begun", () => response.destroy());
      break;
    case "/stall":
      response.write("begun");
      break;
    case "/never":
      break;
    case "/echo":
      response.writeHead(201, { "Retry-After": "7" });
      request.pipe(response);
      break;
    default:
      response.writeHead(404).end(TEXT);
  }
}

const call = (path: string, more: { method?: string; body?: string; signal?: AbortSignal; env?: Record<string, string> } = {}) => {
  const { method = "GET", signal = new AbortController().signal, body, env = {} } = more;
  const headers = { accept: "application/json", authorization: "Bearer t" };
  return new Caller(env).call(`${origin}${path}`, { method, headers, redirect: "error", signal, ...(body === undefined ? {} : { body }) });
};

test("a call sends method, headers and body, and reads status, headers and text as fetch does", async () => {
  const answer = await call("/echo", { method: "PUT", body: TEXT });
  assert.deepEqual(
    [answer.ok, answer.status, answer.headers.get("retry-after"), answer.headers.get("x-request-id")],
    [true, 201, "7", null],
  );
  assert.equal(await answer.text(), TEXT);
  const { method, headers } = asked.at(-1) ?? {};
  assert.deepEqual([method, headers?.authorization, headers?.["content-length"]], ["PUT", "Bearer t", String(Buffer.byteLength(TEXT))]);
});

test("a refusal is an answer, and a compressed answer is read", async () => {
  const refused = await call("/");
  assert.deepEqual([refused.ok, refused.status, await refused.text()], [false, 404, TEXT]);
  assert.equal(await (await call("/gzip")).text(), TEXT);
});

test("an answer without a body is empty, whatever encoding it names", async () => {
  const answer = await call("/nothing", { method: "DELETE" });
  assert.deepEqual([answer.ok, answer.status, await answer.text()], [true, 204, ""]);
});

test("a redirect is refused: a token goes to the endpoint that it is for", async () => {
  await assert.rejects(call("/redirect"), /redirect/);
});

test("an answer that is cut is an error with a code", async () => {
  const answer = await call("/cut");
  await assert.rejects(answer.text(), { code: "ECONNRESET" });
});

test("a call that is stopped rejects with the reason, before, while it waits, and while it reads", async () => {
  const reason = new Error("enough");
  await assert.rejects(call("/", { signal: AbortSignal.abort(reason) }), reason);
  const waiting = new AbortController();
  const never = call("/never", { signal: waiting.signal });
  server.once("request", () => waiting.abort(reason));
  await assert.rejects(never, reason);
  const reading = new AbortController();
  const text = (await call("/stall", { signal: reading.signal })).text();
  reading.abort(reason);
  await assert.rejects(text, reason);
});

test("nobody listening is an error with a code", async () => {
  const closed = createTcpServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => closed.once("listening", resolve));
  const { port } = closed.address() as AddressInfo;
  await new Promise((resolve) => closed.close(resolve));
  const signal = new AbortController().signal;
  const refused = new Caller({}).call(`http://127.0.0.1:${port}/`, { method: "GET", headers: {}, redirect: "error", signal });
  await assert.rejects(refused, { code: "ECONNREFUSED" });
});

test("a connection that the server ended while it was idle is replaced, once the call that meets it fails", async (t) => {
  const sockets: Socket[] = [];
  const fickle = createTcpServer((socket) => {
    sockets.push(socket);
    let answers = 0;
    socket.on("error", () => {});
    socket.on("data", () => {
      // The first answer leaves the connection open; the second request on it finds it reset.
      if (answers++ === 0) socket.write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
      else socket.resetAndDestroy();
    });
  }).listen(0, "127.0.0.1");
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    fickle.close();
  });
  await new Promise((resolve) => fickle.once("listening", resolve));
  const url = `http://127.0.0.1:${(fickle.address() as AddressInfo).port}/`;
  const caller = new Caller({});
  const ask = async () => {
    const { signal } = new AbortController();
    return (await caller.call(url, { method: "POST", headers: {}, redirect: "error", signal, body: "act" })).text();
  };
  assert.deepEqual([await ask(), await ask(), await ask()], ["ok", "ok", "ok"]);
  assert.ok(sockets.length >= 2);
});

test("where a proxy may be meant, fetch asks", async () => {
  await (await call("/", { env: { HTTP_PROXY: "http://proxy.example:3128" } })).text();
  assert.equal(asked.at(-1)?.headers["sec-fetch-mode"], "cors");
  await (await call("/", { env: { HTTP_PROXY: "http://proxy.example:3128", NO_PROXY: "127.0.0.1" } })).text();
  assert.equal(asked.at(-1)?.headers["sec-fetch-mode"], undefined);
});
