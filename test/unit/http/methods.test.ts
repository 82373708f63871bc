import assert from "node:assert/strict";
import { test } from "node:test";
import { Hono } from "hono";
import { createApp } from "../../../functions/app.ts";
import { mountHub } from "../../../functions/doors/huggingface/door.ts";
import type { Edge } from "../../../functions/http/edge.ts";
import { ask, assertHeaders, makeWorld, ROUTE_NAMES, refusal, routeOf, targetOf } from "./requests.ts";

const METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND", "LOCK", "x"];

const mounted = createApp(() => {
  throw new Error("no request is made");
}).routes.filter((route) => route.method !== "ALL");

/** Methods by path, of everything that answers. */
const METHODS_OF = Map.groupBy(mounted, (route) => route.path);

/** What clients of another protocol ask for, which has no row in our table. */
function hubRoutes(): string[] {
  const hub = new Hono<Edge>();
  mountHub(hub);
  return hub.routes.map(({ method, path }) => `${method} ${path}`);
}

test("what is mounted is what the route table says, the document of it, the console's page, and the Hub's door; nothing else answers", () => {
  const table = ROUTE_NAMES.map((name) => `${routeOf(name).method} ${routeOf(name).path}`);
  assert.equal(new Set(table).size, table.length);
  assert.deepEqual(
    mounted.map(({ method, path }) => `${method} ${path}`).sort(),
    [
      ...table,
      ...hubRoutes(),
      "GET /",
      "GET /openapi.json",
      "GET /metrics",
      "GET /auth/login",
      "GET /auth/callback",
      "POST /auth/logout",
    ].sort(),
  );
});

test("a method that a path does not take is 405 with those it takes; HEAD goes where GET goes", async () => {
  const world = await makeWorld();
  for (const name of ROUTE_NAMES) {
    const { path } = targetOf(name, world.sample(name));
    const taken = new Set((METHODS_OF.get(routeOf(name).path) ?? []).map(({ method }) => method));
    if (taken.has("GET")) taken.add("HEAD");
    for (const method of METHODS.filter((one) => !taken.has(one))) {
      const response = await ask(world.app, { method, path });
      assert.equal(response.headers.get("allow"), [...taken].sort().join(", "), `${method} ${path}`);
      if (method === "HEAD") assert.equal(response.status, 405);
      else await refusal(response, "METHOD_NOT_ALLOWED", `${method} ${path}`);
    }
  }
  await refusal(await ask(world.app, { method: "POST", path: "/openapi.json", body: "{}" }), "METHOD_NOT_ALLOWED", "openapi");
});

test("a path that is none is 404, whatever the method, with or without a token; no part of a long one is repeated beyond its beginning", async () => {
  const world = await makeWorld();
  const paths = [
    "/api",
    "/api/v2",
    "/api/v1/",
    "/api/v1/repositories/team",
    "/admin",
    "/.env",
    "/healthz/x",
    "/openapi.yaml",
    "/openapixjson",
  ];
  for (const path of [
    ...paths,
    `/${"x".repeat(30_000)}`,
    "/api/v1/repositories/team/model/revisions/main/manifest/x",
    "/<script>alert(1)</script>",
  ]) {
    for (const method of METHODS.filter((one) => one !== "HEAD")) {
      for (const token of [undefined, world.token])
        await refusal(await ask(world.app, { method, path, token }), "ROUTE_UNKNOWN", `${method} ${path.slice(0, 60)}`);
    }
    const head = await ask(world.app, { method: "HEAD", path });
    assert.deepEqual([head.status, await head.text()], [404, ""], path.slice(0, 60));
  }
});

for (const name of ROUTE_NAMES.filter((route) => routeOf(route).method === "GET")) {
  test(`${name}: HEAD answers as GET does, without a body, also when it refuses`, async () => {
    const world = await makeWorld();
    const { path } = targetOf(name, world.sample(name));
    for (const token of [world.token, undefined]) {
      const [get, head] = await Promise.all(["GET", "HEAD"].map((method) => ask(world.app, { method, path, token })));
      assert.ok(get !== undefined && head !== undefined);
      assert.equal(await head.text(), "");
      assert.deepEqual(
        [head.status, head.headers.get("content-type"), head.headers.get("x-error-code")],
        [get.status, get.headers.get("content-type"), get.headers.get("x-error-code")],
      );
      assertHeaders(head, head.headers.get("x-request-id") ?? "", name);
    }
  });
}
