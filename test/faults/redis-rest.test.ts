/**
 * A Redis behind REST that does not answer as it should: every call of every index port throws INDEX_UNAVAILABLE, in bounded time, with
 * nothing in the error of what was sent. None reads the failure as "there is none", which would be a 401 or 404 that is not true.
 */
import assert from "node:assert/strict";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, describe, test } from "node:test";
import { redisIndexes } from "../../functions/metadata/indexes.ts";
import { upstashCommands } from "../../functions/metadata/upstash.ts";
import { FerryError } from "../../shared/errors.ts";
import { indexCalls, SENT } from "../support/index-calls.ts";

type Fault = (response: ServerResponse, request: IncomingMessage, body: string) => void;

const TOKEN = "a-secret-token";
const TIMEOUT_MS = 250;
/** What a mistaken answer must not become, however the fault answers. */
const ECHO = { error: `ERR no, ${SENT.join(" ")}` };

const json = (status: number, value: unknown): Fault => {
  return (response) => response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(value));
};
const html = (status: number): Fault => {
  return (response) => response.writeHead(status, { "content-type": "text/html" }).end(`<html>${SENT.join(" ")}</html>`);
};
/** One answer for a single command, the same for each command of a pipeline. */
const each = (answer: unknown): Fault => {
  return (response, request, body) => {
    const isPipeline = request.url === "/pipeline";
    json(200, isPipeline ? (JSON.parse(body) as unknown[]).map(() => answer) : answer)(response, request, body);
  };
};

const FAULTS: Record<string, Fault> = {
  "never answers": () => undefined,
  "stops in the middle of its answer": (response) => void response.writeHead(200, { "content-length": 100 }).write('{"result":'),
  "drops the connection": (response) => void response.destroy(),
  "drops the connection in the middle of its answer": (response) => {
    response.writeHead(200, { "content-length": 100 }).write('[{"result":null', () => response.destroy());
  },
  "answers 500 with HTML": html(500),
  "answers 200 with HTML": html(200),
  "answers 200 with nothing": (response) => void response.writeHead(200).end(),
  "answers 429": json(429, { error: "ERR max requests limit exceeded" }),
  "answers 401": json(401, { error: "Unauthorized" }),
  "answers 400 with the command": json(400, ECHO),
  "answers 503 with JSON of its own": json(503, { message: "try later" }),
  "answers null": json(200, null),
  "answers {}": json(200, {}),
  "answers []": json(200, []),
  "answers each command with an error": each(ECHO),
  "answers each command with {}": each({}),
  "answers each command with null": each(null),
  "answers each command with an object": each({ result: { a: 1 } }),
  "answers each command with true": each({ result: true }),
  "answers each command with a nested object": each({ result: ["whole", { a: 1 }] }),
  "answers too many": each({ result: [1, 2, 3, 4, 5, 6, 7] }),
};

describe("Redis by REST that fails", () => {
  let server: Server;
  let fault: Fault = () => undefined;
  let requests = 0;
  before(async () => {
    server = createServer(async (request, response) => {
      requests++;
      const pieces: Buffer[] = [];
      for await (const piece of request) pieces.push(piece);
      fault(response, request, Buffer.concat(pieces).toString("utf8"));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  });
  after(() => {
    server.closeAllConnections();
    server.close();
  });

  const connect = (port = (server.address() as AddressInfo).port) => {
    const commands = upstashCommands({ url: `http://127.0.0.1:${port}`, token: TOKEN, timeoutMs: TIMEOUT_MS });
    return redisIndexes({ commands, generation: "test" });
  };

  for (const [name, behaviour] of Object.entries(FAULTS)) {
    test(`F7: every call throws INDEX_UNAVAILABLE when it ${name}`, async () => {
      fault = behaviour;
      const calls = await indexCalls(connect());
      await Promise.all(calls.map(({ name: call, call: send }) => assert.rejects(send(), (error) => isUnavailable(error, call))));
    });
  }

  test("F7: every call throws INDEX_UNAVAILABLE when nothing listens", async () => {
    const free = createServer().listen(0, "127.0.0.1");
    await new Promise<void>((resolve) => free.once("listening", resolve));
    const { port } = free.address() as AddressInfo;
    await new Promise<void>((resolve) => free.close(() => resolve()));
    const calls = await indexCalls(connect(port));
    await Promise.all(calls.map(({ name: call, call: send }) => assert.rejects(send(), (error) => isUnavailable(error, call))));
  });

  test("one command of a pipeline that failed fails the call, also when all others were answered", async () => {
    const items = [{ result: [null] }, { error: "WRONGTYPE Operation against a key" }];
    fault = json(200, items);
    const find = (await indexCalls(connect())).find(({ name }) => name === "chunks.find");
    await assert.rejects(find?.call() ?? Promise.resolve(), {
      code: "INDEX_UNAVAILABLE",
      message: /refused a command \(WRONGTYPE\)/,
    });
  });

  test("a connection that breaks once is tried again, what was not answered in time is not, and nothing is sent a third time", async () => {
    const counts: Record<string, number> = {};
    for (const name of ["drops the connection", "never answers", "answers 500 with HTML", "answers 429"]) {
      fault = FAULTS[name] ?? fault;
      requests = 0;
      await assert.rejects(connect().system.head());
      counts[name] = requests;
    }
    assert.deepEqual(counts, { "drops the connection": 2, "never answers": 1, "answers 500 with HTML": 1, "answers 429": 1 });
    const index = connect();
    fault = FAULTS["never answers"] ?? fault;
    await assert.rejects(index.system.head(), /no answer within 250 ms/);
    requests = 0;
    fault = (...given) => (requests === 1 ? FAULTS["drops the connection"] : each({ result: ["whole", "7", "a".repeat(64)] }))?.(...given);
    assert.deepEqual(await index.system.head(), { seq: 7, hash: "a".repeat(64) });
  });
});

function isUnavailable(error: unknown, call: string): boolean {
  assert.ok(error instanceof FerryError, `${call}: ${String(error)}`);
  assert.equal(error.code, "INDEX_UNAVAILABLE", `${call}: ${error.message}`);
  assert.equal(error.cause, undefined, `${call}: a cause would carry the command into logs`);
  const told = error.message + JSON.stringify(error.details);
  for (const text of [...SENT, TOKEN, "EVAL", "mf:"]) assert.ok(!told.includes(text), `${call} tells ${text}`);
  return true;
}
