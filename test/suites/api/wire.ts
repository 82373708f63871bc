/** How requests and answers look, whatever they are about. */
import assert from "node:assert/strict";
import { Problem, ROUTES } from "../../../shared/contract/routes.ts";
import { ERRORS, isErrorCode } from "../../../shared/errors.ts";
import { operationId, repositoryName } from "../../support/memory-app.ts";
import type { Guarantees } from "./api.ts";
import type { ApiWorld } from "./world.ts";

const JSON_TYPE = { "content-type": "application/json" };

/** Method, path and what is sent; the code that must come back. */
const REFUSALS: readonly [code: string, path: string, init?: RequestInit][] = [
  ["ROUTE_UNKNOWN", "/api/v1/nothing"],
  ["METHOD_NOT_ALLOWED", "/api/v1/whoami", { method: "DELETE" }],
  ["TOKEN_MISSING", "/api/v1/whoami", { headers: { authorization: "" } }],
  ["TOKEN_INVALID", "/api/v1/whoami", { headers: { authorization: `Bearer hf_${"x".repeat(43)}` } }],
  ["REPOSITORY_UNKNOWN", "/api/v1/repositories/api/none"],
  ["REQUEST_INVALID", "/api/v1/repositories?limit=0"],
  ["REQUEST_INVALID", "/api/v1/repositories/api/..%2fnone"],
  ["REQUEST_INVALID", "/api/v1/repositories", { method: "POST", headers: JSON_TYPE, body: "{" }],
  ["REQUEST_INVALID", "/api/v1/repositories", { method: "POST", headers: JSON_TYPE, body: '{"repository":"api/x","more":1}' }],
  ["MEDIA_TYPE_INVALID", "/api/v1/repositories", { method: "POST", headers: { "content-type": "text/plain" }, body: "{}" }],
];

export const WIRE: Guarantees = {
  "it tells that it lives, what it is, and describes every route": async (world) => {
    assert.deepEqual(await world.admin.call("health", {}), { ok: true });
    assert.equal((await world.admin.call("about", {})).api, 1);
    const description = (await (await world.ask("/openapi.json")).json()) as { openapi: string; paths: Record<string, object> };
    assert.match(description.openapi, /^3\.1/);
    const operations = Object.values(description.paths).flatMap((path) => Object.values(path as Record<string, { operationId: string }>));
    assert.deepEqual(operations.map(({ operationId: id }) => id).sort(), Object.keys(ROUTES).sort());
  },

  "what is refused is told as a problem, with its code, its status and what to do": async (world) => {
    for (const [code, path, init] of REFUSALS) await assertRefused(world, code, path, init);
  },

  "an answer has the caller's request id, is not kept by caches, and says what is left of the budget": async (world) => {
    const answer = await world.ask("/api/v1/whoami", { headers: { "x-request-id": "asked-by-a-test" } });
    assert.equal(answer.headers.get("x-request-id"), "asked-by-a-test");
    assert.equal(answer.headers.get("cache-control"), "no-store");
    assert.match(answer.headers.get("ratelimit") ?? "", /;r=\d+;t=\d+/);
    assert.match(answer.headers.get("server-timing") ?? "", /total;dur=/);
  },

  "HEAD is GET without the body": async (world) => {
    const answer = await world.ask("/api/v1/whoami", { method: "HEAD" });
    assert.deepEqual([answer.status, await answer.text()], [200, ""]);
  },

  "pages of a list hold each thing once, in order": async (world) => {
    const names = Array.from({ length: 5 }, (_, at) => repositoryName(`paged/r${at}`));
    for (const repository of names) await world.admin.call("createRepository", { body: { repository, operationId: operationId() } });
    const seen: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await world.admin.call("listRepositories", { query: { namespace: "paged", limit: 2, cursor } as never });
      seen.push(...page.repositories.map(({ repository }) => repository));
      cursor = page.next ?? undefined;
    } while (cursor !== undefined);
    assert.deepEqual(seen, names);
  },

  "an act that is sent again is the same act": async (world) => {
    const body = { repository: repositoryName("api/twice"), operationId: operationId() };
    const first = await world.admin.call("createRepository", { body });
    assert.deepEqual(await world.admin.call("createRepository", { body }), first);
    await assert.rejects(world.admin.call("createRepository", { body: { ...body, operationId: operationId() } }), {
      code: "REPOSITORY_EXISTS",
    });
  },
};

async function assertRefused(world: ApiWorld, code: string, path: string, init: RequestInit = {}): Promise<void> {
  const answer = await world.ask(path, init);
  const text = await answer.text();
  const told = `${init.method ?? "GET"} ${path}: ${answer.status} ${text.slice(0, 200)}`;
  assert.equal(answer.headers.get("content-type"), "application/problem+json", told);
  const problem = Problem.parse(JSON.parse(text));
  assert.ok(isErrorCode(problem.code), told);
  assert.deepEqual([problem.code, answer.status, answer.headers.get("x-error-code")], [code, ERRORS[problem.code].status, code], told);
  assert.equal(answer.headers.get("x-request-id"), problem.requestId, told);
  assert.equal(answer.headers.has("www-authenticate"), answer.status === 401, told);
}
