import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { afterEach, test } from "node:test";
import { freePort } from "../../../scripts/stack/ports.ts";
import { RedisConnection, RedisUnavailable } from "../../../scripts/stack/redis-connection.ts";
import { ReplyError, Status } from "../../../scripts/stack/resp.ts";

const servers: { server: Server; sockets: Socket[] }[] = [];
afterEach(() => {
  for (const { server, sockets } of servers.splice(0)) {
    server.close();
    for (const socket of sockets) socket.destroy();
  }
});

/** A Redis of a few lines: `answer` gets what one write brought. */
async function fakeRedis(
  answer: (text: string, socket: Socket) => string,
): Promise<{ url: string; heard: string[]; connections: () => number }> {
  const heard: string[] = [];
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.setEncoding("utf8").on("data", (text: string) => {
      heard.push(text);
      socket.write(answer(text, socket));
    });
    socket.on("error", () => {});
  }).listen(0, "127.0.0.1");
  servers.push({ server, sockets });
  await once(server, "listening");
  return { url: `127.0.0.1:${(server.address() as AddressInfo).port}`, heard, connections: () => sockets.length };
}

test("commands of one call leave in one write, and each reply finds its call", async () => {
  const redis = await fakeRedis((text) => ":1\r\n".repeat(text.match(/\*/g)?.length ?? 0));
  const connection = new RedisConnection({ url: `redis://${redis.url}` });
  assert.deepEqual(await connection.send([["MULTI"], ["A"], ["EXEC"]]), [1, 1, 1]);
  assert.deepEqual(redis.heard, ["*1\r\n$5\r\nMULTI\r\n*1\r\n$1\r\nA\r\n*1\r\n$4\r\nEXEC\r\n"]);
  connection.close();
});

test("calls at once share one connection", async () => {
  const redis = await fakeRedis((text) => "+PONG\r\n".repeat(text.match(/PING/g)?.length ?? 0));
  const connection = new RedisConnection({ url: `redis://${redis.url}` });
  const replies = await Promise.all(Array.from({ length: 20 }, () => connection.send([["PING"]])));
  assert.deepEqual(
    replies,
    Array.from({ length: 20 }, () => [new Status("PONG")]),
  );
  assert.equal(redis.connections(), 1);
  connection.close();
});

test("a Redis that does not answer in time fails the call, and the next call connects anew", async () => {
  let silent = true;
  const redis = await fakeRedis(() => (silent ? "" : "+PONG\r\n"));
  const connection = new RedisConnection({ url: `redis://${redis.url}`, replyTimeoutMs: 30 });
  await assert.rejects(connection.send([["PING"]]), /redis is not available: no answer in 30 ms/);
  silent = false;
  assert.deepEqual(await connection.send([["PING"]]), [new Status("PONG")]);
  connection.close();
});

const UNTRUSTWORTHY = {
  "answers something else than RESP2": "HTTP/1.1 400 Bad Request\r\n",
  "answers more than it was asked": "+PONG\r\n+PONG\r\n",
};
for (const [what, text] of Object.entries(UNTRUSTWORTHY)) {
  test(`a server that ${what} is given up`, async () => {
    const redis = await fakeRedis((_, socket) => {
      socket.once("close", () => redis.heard.push("closed"));
      return text;
    });
    const connection = new RedisConnection({ url: `redis://${redis.url}` });
    await connection.send([["PING"]]).catch((error: unknown) => assert.ok(error instanceof RedisUnavailable));
    await connection.send([["PING"]]).catch((error: unknown) => assert.ok(error instanceof RedisUnavailable));
    assert.equal(redis.connections(), 2);
    connection.close();
  });
}

test("it says who it is before anything else, and which database it means", async () => {
  const redis = await fakeRedis((text) => "+OK\r\n".repeat(text.match(/\*/g)?.length ?? 0));
  const connection = new RedisConnection({ url: `redis://me:p%40ss@${redis.url}/3` });
  await connection.send([["PING"]]);
  assert.deepEqual(redis.heard, [
    "*3\r\n$4\r\nAUTH\r\n$2\r\nme\r\n$4\r\np@ss\r\n*2\r\n$6\r\nSELECT\r\n$1\r\n3\r\n",
    "*1\r\n$4\r\nPING\r\n",
  ]);
  connection.close();
});

test("a refused password fails the call with Redis's words", async () => {
  const redis = await fakeRedis(() => "-WRONGPASS invalid username-password pair\r\n");
  const connection = new RedisConnection({ url: `redis://:wrong@${redis.url}` });
  await assert.rejects(connection.send([["PING"]]), /WRONGPASS/);
  connection.close();
});

test("an error is a reply like others", async () => {
  const redis = await fakeRedis(() => "-ERR no\r\n");
  const connection = new RedisConnection({ url: `redis://${redis.url}` });
  assert.deepEqual(await connection.send([["NOPE"]]), [new ReplyError("ERR no")]);
  connection.close();
});

test("nobody there, or closed: the call fails, it does not wait", async () => {
  const connection = new RedisConnection({ url: `redis://127.0.0.1:${await freePort()}` });
  await assert.rejects(connection.send([["PING"]]), /ECONNREFUSED/);
  connection.close();
  await assert.rejects(connection.send([["PING"]]), /was closed/);
});
