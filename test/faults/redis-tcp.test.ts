/** A Redis by TCP that does not answer as it should: every call throws INDEX_UNAVAILABLE in bounded time, and a Redis that comes back is used. */
import assert from "node:assert/strict";
import { createServer, type Server, type Socket } from "node:net";
import { describe, test } from "node:test";
import { redisIndexes } from "../../functions/metadata/indexes.ts";
import { tcpCommands } from "../../functions/node/redis-tcp.ts";
import { FerryError } from "../../shared/errors.ts";
import { commit, refOf, repositoryChain, repositoryIdOf, revisionOf } from "../support/chain.ts";
import { indexCalls, SENT } from "../support/index-calls.ts";
import { startTestRedis, whyNoRedis } from "../support/stack.ts";

const TIMEOUT_MS = 300;

const FAULTS: Record<string, (socket: Socket) => void> = {
  "never answers": () => undefined,
  "drops every connection": (socket) => void socket.destroy(),
  "drops the connection at the first command": (socket) => void socket.once("data", () => socket.destroy()),
  "answers something that is not Redis's": (socket) => void socket.once("data", () => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n")),
  "refuses every command": (socket) => void socket.on("data", () => socket.write(`-NOAUTH ${SENT.join(" ")}\r\n`.repeat(40))),
};

describe("Redis by TCP that fails", () => {
  for (const [name, behaviour] of Object.entries(FAULTS)) {
    test(`F7: every call throws INDEX_UNAVAILABLE when it ${name}`, async (t) => {
      const { port } = await listen(behaviour, (stop) => t.after(stop));
      await assertUnavailable(port, (stop) => t.after(stop));
    });
  }

  test("F7: every call throws INDEX_UNAVAILABLE when nothing listens", async (t) => {
    const stops: (() => void)[] = [];
    const { port } = await listen(
      () => undefined,
      (stop) => stops.push(stop),
    );
    for (const stop of stops) stop();
    await assertUnavailable(port, (stop) => t.after(stop));
  });

  test("F3: after Redis was killed and is back, the same commands go on, and what was acknowledged is there", {
    skip: whyNoRedis(),
  }, async (t) => {
    const redis = await startTestRedis();
    t.after(() => redis.stop());
    const commands = tcpCommands({ url: redis.url, timeoutMs: 5_000 });
    t.after(() => commands.close());
    const { repositories } = redisIndexes({ commands, generation: "test" });
    const id = repositoryIdOf("team/llama");
    const chain = repositoryChain();
    await repositories.begin(id, 0);
    const first = await chain.add(commit(id, "main", "c1"));
    await repositories.apply(first.record, first.hash);
    await redis.restart();
    const second = await chain.add(commit(id, "main", "c2"));
    await repositories.apply(second.record, second.hash);
    assert.equal(await repositories.resolveName(id, refOf("main")), revisionOf("c2"));
    assert.equal((await repositories.refs(id)).revisionCount, 2);
  });
});

async function assertUnavailable(port: number, atEnd: (stop: () => void) => void): Promise<void> {
  const commands = tcpCommands({ url: `redis://127.0.0.1:${port}`, timeoutMs: TIMEOUT_MS });
  atEnd(() => commands.close());
  const calls = await indexCalls(redisIndexes({ commands, generation: "test" }));
  await Promise.all(calls.map(({ name, call }) => assert.rejects(call(), (error) => isUnavailable(error, name))));
}

function isUnavailable(error: unknown, call: string): boolean {
  assert.ok(error instanceof FerryError, `${call}: ${String(error)}`);
  assert.equal(error.code, "INDEX_UNAVAILABLE", call);
  assert.equal(error.cause, undefined, `${call}: a cause would carry the command into logs`);
  for (const text of SENT) assert.ok(!error.message.includes(text), `${call} tells ${text}`);
  return true;
}

async function listen(behaviour: (socket: Socket) => void, atEnd: (stop: () => void) => void): Promise<{ port: number }> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket.on("error", () => undefined).on("close", () => sockets.delete(socket)));
    behaviour(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  atEnd(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const address = server.address();
  assert.ok(typeof address === "object" && address !== null);
  return { port: address.port };
}
