import assert from "node:assert/strict";
import { test } from "node:test";
import { createApp } from "../../../functions/app.ts";
import type { Ports } from "../../../functions/registry/ports.ts";
import { ERRORS, type ErrorCode, FerryError } from "../../../shared/errors.ts";
import { type MemoryApp, memoryApp } from "../../support/memory-app.ts";
import { ask, refusal } from "./requests.ts";

const SECRET = "redis://default:s3cr3t@index.internal:6379 at /home/somebody/x.ts:1:1";
const LIST = { method: "GET", path: "/api/v1/repositories" };

/** An app whose list of repositories fails like this, and the token to ask for it. */
async function failing(thrown: unknown): Promise<{ app: MemoryApp; token: string }> {
  let armed = false;
  const decorate = (ports: Ports): Ports => ({
    ...ports,
    system: new Proxy(ports.system, {
      get(target, name) {
        if (armed && name === "listRepositories") return () => Promise.reject(thrown);
        const member: unknown = Reflect.get(target, name);
        return typeof member === "function" ? member.bind(target) : member;
      },
    }),
  });
  const app = await memoryApp({ decorate });
  const { token } = await app.admin.call("createToken", { body: { name: "reader", scopes: [{ repositories: "*", actions: ["pull"] }] } });
  armed = true;
  return { app, token };
}

const UNFORESEEN: [string, unknown][] = [
  ["an error", new Error(SECRET)],
  ["a TypeError", new TypeError(SECRET)],
  ["an error with a cause", new Error("outer", { cause: new Error(SECRET) })],
  ["an error that claims a status", Object.assign(new Error(SECRET), { status: 200 })],
  ["an error with a code of ours, but not ours", Object.assign(new Error(SECRET), { code: "REF_UNKNOWN" })],
  ["a text", SECRET],
  ["null", null],
  ["undefined", undefined],
  ["an object", { message: SECRET }],
  ["a response", new Response(SECRET, { status: 200 })],
];

for (const [name, thrown] of UNFORESEEN) {
  test(`${name} that nobody foresaw is INTERNAL, and nothing of it is told to the caller`, async () => {
    const { app, token } = await failing(thrown);
    const logged = app.log.length;
    const problem = await refusal(await ask(app, { ...LIST, token }), "INTERNAL", name);
    assert.deepEqual(problem.details, {});
    const head = await ask(app, { ...LIST, method: "HEAD", token });
    assert.deepEqual([head.status, head.headers.get("x-error-code"), await head.text()], [500, "INTERNAL", ""]);
    const lines = app.log.slice(logged).filter((line) => line["requestId"] === problem.requestId);
    assert.deepEqual(lines.map((line) => line["event"]).sort(), ["request", "request.failed"]);
    const text = JSON.stringify(lines);
    assert.ok(!text.includes(token) && !text.includes("s3cr3t"), text);
    if (thrown instanceof Error) assert.match(text, new RegExp(`"cause":"${thrown.name}","at":"at `));
  });
}

for (const [code, { status, retryable }] of Object.entries(ERRORS) as [ErrorCode, (typeof ERRORS)[ErrorCode]][]) {
  test(`${code} travels as ${status} with its details${retryable ? " and a time to come again" : ""}`, async () => {
    const { app, token } = await failing(new FerryError(code, { repository: "模型/ä\n", count: 3, retryAfterSeconds: 7 }));
    if (code === "METHOD_NOT_ALLOWED") return;
    const response = await ask(app, { ...LIST, token });
    const problem = await refusal(response, code, code);
    assert.deepEqual(problem.details, { repository: "模型/ä\n", count: 3 });
    assert.equal(response.headers.get("retry-after"), retryable ? "7" : null);
  });
}

test("settings that are not valid are told by name, with a request id, before there is anything else", async () => {
  const app = createApp(() => {
    throw new FerryError("CONFIG_INVALID", { problem: "FERRY_SECRET: at least 32 bytes as base64url" });
  });
  for (const path of ["/healthz", "/api/v1/whoami", "/nowhere", "/openapi.json"]) {
    const problem = await refusal(await app.request(`http://ferry.test${path}`), "CONFIG_INVALID", path);
    assert.match(problem.detail, /FERRY_SECRET/);
  }
});
