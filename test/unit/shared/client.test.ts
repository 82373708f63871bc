import assert from "node:assert/strict";
import { createServer } from "node:http";
import { test } from "node:test";
import fc from "fast-check";
import { type ClientOptions, FerryClient } from "../../../shared/client.ts";
import { ERRORS, type ErrorCode, FerryError } from "../../../shared/errors.ts";
import { OperationId, RefName, RepositoryName } from "../../../shared/names.ts";
import { makeToken } from "../../../shared/token.ts";

const ENDPOINT = "https://ferry.test";
const MODEL = RepositoryName.parse("team/model");
const TOKEN = makeToken(new Uint8Array(32).fill(9));
const WHO = {
  id: "0123456789abcdef",
  name: "me",
  kind: "person",
  scopes: [{ repositories: "*", actions: ["pull"] }],
  networks: [],
  expiresAt: null,
};

type Step = Response | Error | ((init: RequestInit) => Promise<Response>);
type Sent = { url: string; init: RequestInit };

/** A client whose requests meet these steps in order, the last one again and again. */
function scripted(steps: Step[], options: Partial<ClientOptions> = {}) {
  const sent: Sent[] = [];
  const sleptMs: number[] = [];
  const client = new FerryClient({
    endpoint: ENDPOINT,
    token: TOKEN,
    fetch: async (url, init) => {
      sent.push({ url, init });
      const step = steps[Math.min(sent.length, steps.length) - 1];
      if (step instanceof Error) throw step;
      return step instanceof Response ? step.clone() : (step?.(init) ?? Promise.reject(new Error("no step")));
    },
    sleep: async (ms, signal) => {
      signal?.throwIfAborted();
      sleptMs.push(ms);
    },
    random: () => 0,
    attempts: 4,
    ...options,
  });
  return { client, sent, sleptMs };
}

function json(value: unknown, status = 200, headers: Record<string, string> = {}): Response {
  return new Response(JSON.stringify(value), { status, headers });
}

function problem(code: string, status: number, details: object = {}): Response {
  return json({ type: "t", title: "t", status, code, detail: `told: ${code}`, next: "n", requestId: "request-1", details }, status);
}

async function failureOf(call: Promise<unknown>): Promise<FerryError> {
  const error: unknown = await call.then(
    () => assert.fail("it was answered"),
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof FerryError, String(error));
  return error;
}

test("a call is its row of the route table: method, path, query, token, JSON body, no redirects followed", async () => {
  const { client, sent } = scripted([
    json({ upload: "u", branch: "main", parent: null, mode: "md5", reservePageMax: 1, confirmPageMax: 1, expiresInSeconds: 1 }),
  ]);
  const body = { branch: RefName.parse("main"), operationId: OperationId.parse("operation-0000001") };
  await client.call("openUpload", { repository: MODEL, body });
  assert.equal(sent[0]?.url, `${ENDPOINT}/api/v1/repositories/team/model/uploads`);
  const { method, headers, body: text, redirect } = sent[0]?.init ?? {};
  assert.deepEqual([method, text, redirect], ["POST", JSON.stringify(body), "error"]);
  assert.deepEqual(headers, { accept: "application/json", authorization: `Bearer ${TOKEN}`, "content-type": "application/json" });
  const other = scripted([json({ revisions: [], next: null })], { endpoint: `${ENDPOINT}/sub///`, token: undefined, userAgent: "ferry/1" });
  await other.client.call("listRevisions", { repository: MODEL, query: { branch: RefName.parse("a/b"), limit: 5, cursor: undefined } });
  assert.equal(other.sent[0]?.url, `${ENDPOINT}/sub/api/v1/repositories/team/model/revisions?branch=a%2Fb&limit=5`);
  assert.deepEqual(other.sent[0]?.init.headers, { accept: "application/json", "user-agent": "ferry/1" });
});

for (const [code, { status, retryable }] of Object.entries(ERRORS)) {
  test(`${code} is ${retryable ? "tried again, four times in all" : "told at once"}, with the server's details`, async () => {
    const { client, sent } = scripted([problem(code, status, { repository: "team/model" })]);
    const error = await failureOf(client.call("whoAmI", {}));
    assert.equal(error.code, code);
    assert.equal(error.details["repository"], "team/model");
    assert.equal(error.details["requestId"], "request-1");
    assert.equal(sent.length, retryable ? 4 : 1);
  });
}

const HTML = "<html><title>Sign in</title></html>";
const FOREIGN: [string, Response, ErrorCode, number][] = [
  ...[400, 401, 403, 404, 405, 409, 413, 422].map((status): [string, Response, ErrorCode, number] => [
    `an HTML page with ${status}`,
    new Response(HTML, { status }),
    "ANSWER_INVALID",
    1,
  ]),
  ...[500, 502, 503, 504, 520].map((status): [string, Response, ErrorCode, number] => [
    `an HTML page with ${status}`,
    new Response(HTML, { status }),
    "ENDPOINT_UNREACHABLE",
    4,
  ]),
  ["an empty 502", new Response(null, { status: 502 }), "ENDPOINT_UNREACHABLE", 4],
  ["a 429 of somebody on the way", new Response("slow down", { status: 429 }), "RATE_LIMITED", 4],
  ["a sign-in page with 200", new Response(HTML), "ANSWER_INVALID", 1],
  ["an empty 200", new Response(""), "ANSWER_INVALID", 1],
  ["a 204 where an answer is due", new Response(null, { status: 204 }), "ANSWER_INVALID", 1],
  ["JSON that broke off", new Response('{"id":"0123'), "ANSWER_INVALID", 1],
  ["JSON of another form", json({ id: 5 }), "ANSWER_INVALID", 1],
  ["null", json(null), "ANSWER_INVALID", 1],
  ["a list", json([WHO]), "ANSWER_INVALID", 1],
  ["a refusal of a newer server", problem("QUOTA_SPENT", 409), "ANSWER_INVALID", 1],
  ["an outage of a newer server", problem("QUEUE_FULL", 503), "ENDPOINT_UNREACHABLE", 4],
  ["a problem without its code", json({ status: 404 }, 404), "ANSWER_INVALID", 1],
  ["a code that every object has", problem("constructor", 404), "ANSWER_INVALID", 1],
];

for (const [name, answer, code, times] of FOREIGN) {
  test(`${name} is ${code}, asked ${times === 1 ? "once" : `${times} times`}`, async () => {
    const { client, sent } = scripted([answer]);
    const error = await failureOf(client.call("whoAmI", {}));
    assert.deepEqual([error.code, sent.length], [code, times]);
    assert.ok(!error.message.includes("<"), error.message);
  });
}

test("a newer server's sentence reaches the person, although its code is not known here", async () => {
  const error = await failureOf(scripted([problem("QUOTA_SPENT", 409)]).client.call("whoAmI", {}));
  assert.match(error.message, /status 409: told: QUOTA_SPENT/);
});

test("an answer may have more than is known here", async () => {
  assert.deepEqual(await scripted([json({ ...WHO, later: 1 })]).client.call("whoAmI", {}), WHO);
});

test("after failures that may pass the answer is taken, and every try was the same act", async () => {
  const { client, sent } = scripted([
    new Error("connection reset"),
    problem("INDEX_UNAVAILABLE", 503),
    new Response(HTML, { status: 502 }),
    json({ tag: "v1", revision: "0".repeat(40), seq: 1 }),
  ]);
  const body = { ref: "main", operationId: OperationId.parse("operation-0000001") };
  const tag = await client.call("setTag", { repository: MODEL, params: { tag: "v1" }, body });
  assert.equal(tag.seq, 1);
  assert.equal(sent.length, 4);
  assert.equal(new Set(sent.map(({ url, init }) => `${init.method} ${url} ${String(init.body)}`)).size, 1);
});

test("a deployment that has answered before is asked more often: it is there, and may come back", async () => {
  const gone = Array.from({ length: 8 }, () => new Error("connection refused"));
  const options = { attempts: 4, attemptsLater: 10 };
  const never = scripted([...gone, json(WHO)], options);
  assert.equal((await failureOf(never.client.call("whoAmI", {}))).code, "ENDPOINT_UNREACHABLE");
  assert.equal(never.sent.length, 4);
  const before = scripted([json(WHO), ...gone, json(WHO)], options);
  await before.client.call("whoAmI", {});
  await before.client.call("whoAmI", {});
  assert.equal(before.sent.length, 10);
});

test("what a caller says it won't wait for is told at once, and all else is asked again", async () => {
  const download = (client: FerryClient) =>
    client.call("download", { repository: MODEL, params: { ref: "main" }, body: { chunks: [] } }, undefined, "REPLICA_NOT_READY");
  const { client, sent, sleptMs } = scripted([problem("INDEX_UNAVAILABLE", 503), problem("REPLICA_NOT_READY", 503)]);
  assert.equal((await failureOf(download(client))).code, "REPLICA_NOT_READY");
  assert.deepEqual([sent.length, sleptMs.length], [2, 1]);
});

test("waits grow, never beyond ten seconds, and never end before the server asked, up to a minute", async () => {
  const patient = scripted([problem("INDEX_UNAVAILABLE", 503)], { attempts: 12, random: () => 1 });
  await failureOf(patient.client.call("whoAmI", {}));
  assert.deepEqual(patient.sleptMs, [400, 800, 1600, 3200, 6400, 10_000, 10_000, 10_000, 10_000, 10_000, 10_000]);
  for (const [retryAfter, waitMs] of [
    ["7", 7_000],
    ["0.5", 500],
    ["3600", 60_000],
    ["-5", 0],
    ["soon", 0],
    ["", 0],
    ["NaN", 0],
    ["Infinity", 0],
  ] as const) {
    for (const answer of [new Response(HTML, { status: 503 }), problem("RATE_LIMITED", 429)]) {
      answer.headers.set("retry-after", retryAfter);
      const { client, sleptMs } = scripted([answer, json(WHO)]);
      await client.call("whoAmI", {});
      assert.deepEqual(sleptMs, [waitMs], `${answer.status} ${retryAfter}`);
    }
  }
});

/** Never answers; ends as fetch does when its signal fires. */
function hanging(init: RequestInit): Promise<never> {
  return new Promise((_, reject) => {
    if (init.signal?.aborted) reject(init.signal.reason);
    init.signal?.addEventListener("abort", () => reject(init.signal?.reason));
  });
}

/** Answers at once with a body that never ends. */
async function endless(init: RequestInit): Promise<Response> {
  const body = new ReadableStream({
    start(controller) {
      controller.enqueue(new TextEncoder().encode("{"));
      init.signal?.addEventListener("abort", () => controller.error(init.signal?.reason));
    },
  });
  return new Response(body);
}

for (const [name, step] of [
  ["no answer", hanging],
  ["an endless answer", endless],
] as const) {
  test(`${name} is cut off by the time limit and tried again`, { timeout: 10_000 }, async () => {
    const { client, sent } = scripted([step], { timeoutMs: 5, attempts: 2 });
    const error = await failureOf(client.call("whoAmI", {}, new AbortController().signal));
    assert.deepEqual([error.code, sent.length], ["ENDPOINT_UNREACHABLE", 2]);
    assert.match(error.message, /timeout/i);
  });

  test(`${name} ends with the caller's own reason when the caller gives up, and nothing is sent again`, { timeout: 10_000 }, async () => {
    const abort = new AbortController();
    const reason = new Error("the person pressed Ctrl-C");
    const { client, sent } = scripted([
      async (init) => {
        setImmediate(() => abort.abort(reason));
        return step(init);
      },
    ]);
    await assert.rejects(client.call("whoAmI", {}, abort.signal), (error) => error === reason);
    assert.equal(sent.length, 1);
  });
}

test("giving up while waiting for the next try ends the call with the caller's reason", async () => {
  const abort = new AbortController();
  const reason = new Error("enough");
  const { client, sent } = scripted([problem("INDEX_UNAVAILABLE", 503)], {
    sleep: async (_, signal) => {
      abort.abort(reason);
      signal?.throwIfAborted();
    },
  });
  await assert.rejects(client.call("whoAmI", {}, abort.signal), (error) => error === reason);
  assert.equal(sent.length, 1);
});

/** All that a person, a log or a report could show of an error. */
function shown(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const details = error instanceof FerryError ? `${JSON.stringify(error.details)} ${error.next}` : "";
  return `${error.message} ${error.stack} ${details} ${error.cause === undefined ? "" : shown(error.cause)}`;
}

test("no error shows the token: not of real fetch with a closed port, a redirect or a header it refuses, not of any answer", async (t) => {
  const server = createServer((_, response) => response.writeHead(302, { location: "http://127.0.0.1:1/" }).end());
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  t.after(() => server.close());
  const address = server.address();
  assert.ok(address !== null && typeof address === "object");
  const elsewhere = `http://127.0.0.1:${address.port}`;
  const real: Partial<ClientOptions> = { fetch: (url, init) => fetch(url, init), attempts: 1 };
  const calls = [
    scripted([], { ...real, endpoint: elsewhere }),
    scripted([], { ...real, endpoint: "http://127.0.0.1:1" }),
    scripted([], { ...real, endpoint: "http://no such host" }),
    ...["\n", "\r\nx: y", "\0", " ", "”", "é"].map((odd) => scripted([], { ...real, endpoint: elsewhere, token: TOKEN + odd })),
    scripted([problem("TOKEN_INVALID", 401)]),
    scripted([json({ detail: "x" }, 401)]),
  ];
  for (const { client } of calls) {
    const error = await failureOf(client.call("whoAmI", {}));
    assert.ok(!shown(error).includes(TOKEN), error.message);
  }
});

test("a token that no header can hold is never sent", async () => {
  for (const odd of ["\n", "\0", " ", "é"]) {
    const { client, sent } = scripted([json(WHO)], { token: TOKEN + odd });
    assert.equal((await failureOf(client.call("whoAmI", {}))).code, "TOKEN_INVALID");
    assert.equal(sent.length, 0);
  }
});

test("a name that a URL parser would resolve away is refused before anything is sent", async () => {
  for (const ref of ["", ".", "..", "\ud800"]) {
    const { client, sent } = scripted([json({})]);
    assert.equal((await failureOf(client.call("resolve", { repository: MODEL, params: { ref } }))).code, "REQUEST_INVALID");
    assert.equal(sent.length, 0);
  }
});

test("property: any other name arrives as it is, in one part of the path", async () => {
  await fc.assert(
    fc.asyncProperty(fc.string({ unit: "grapheme", minLength: 1 }), fc.string({ unit: "grapheme" }), async (ref, cursor) => {
      fc.pre(ref !== "." && ref !== ".." && ref.isWellFormed());
      const { client, sent } = scripted([problem("REF_UNKNOWN", 404)]);
      await failureOf(client.call("resolve", { repository: MODEL, params: { ref } }));
      const parts = new URL(sent[0]?.url ?? "").pathname.split("/");
      assert.deepEqual(parts.slice(0, 7), ["", "api", "v1", "repositories", "team", "model", "revisions"]);
      assert.deepEqual(parts.slice(7).map(decodeURIComponent), [ref]);
      const list = scripted([problem("REQUEST_INVALID", 400)]);
      await failureOf(list.client.call("listRevisions", { repository: MODEL, query: { cursor } }));
      assert.equal(new URL(list.sent[0]?.url ?? "").searchParams.get("cursor"), cursor);
    }),
  );
});

test("a token that ended is renewed once for a call, and once for all calls that find it ended", async () => {
  let token = "hf_old";
  let renewals = 0;
  const client = new FerryClient({
    endpoint: "https://ferry.test",
    token,
    fetch: async (_, init) => {
      const sent = new Headers(init.headers).get("authorization");
      return sent === "Bearer hf_new" ? json(WHO) : problem("TOKEN_INVALID", 401);
    },
    sleep: async () => {},
    random: () => 0,
    renew: async () => {
      renewals++;
      return token;
    },
  });
  assert.equal((await failureOf(client.call("whoAmI", {}))).code, "TOKEN_INVALID");
  assert.equal(renewals, 1, "what was renewed and is refused again is not renewed for ever");
  token = "hf_new";
  await Promise.all(Array.from({ length: 10 }, () => client.call("whoAmI", {})));
  assert.equal(renewals, 2);
});
