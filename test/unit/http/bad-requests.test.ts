import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { PUBLIC_BODY_BYTES_MAX } from "../../../functions/http/body.ts";
import { makeToken } from "../../../shared/token.ts";
import {
  ask,
  askSample,
  type Body,
  makeWorld,
  ROUTE_NAMES,
  refusal,
  routeOf,
  stored,
  targetOf,
  untouchedWorld,
  type World,
} from "./requests.ts";

const WITH_BODY = ROUTE_NAMES.filter((name) => routeOf(name).body !== undefined);
const WITH_TOKEN = ROUTE_NAMES.filter((name) => routeOf(name).needs !== "public");

test("every route has a sample here that succeeds, each that writes on a world of its own", async () => {
  for (const name of ROUTE_NAMES) {
    const route = routeOf(name);
    const world = await (route.method === "GET" ? untouchedWorld() : makeWorld());
    const { params, query, body } = world.sample(name);
    assert.equal(route.body !== undefined, body !== undefined, `${name}: add its body to samplesOf`);
    assert.equal(route.params !== undefined, params !== undefined || name === "cancelCollect", `${name}: add its parameters to samplesOf`);
    assert.equal(route.query !== undefined, query !== undefined, `${name}: add its query to samplesOf`);
    // No run is under way; a message must be proven (test/unit/hooks/receive.test.ts).
    if (name === "cancelCollect" || name === "receiveWebhook") continue;
    const response = await askSample(world, name);
    assert.equal(response.status, route.status, `${name}: ${await response.text()}`);
  }
});

/** Runs `refuse` on one world, and checks afterwards that nothing was stored and no secret logged. */
async function nothingHappens(refuse: (world: World) => Promise<void>): Promise<void> {
  const world = await untouchedWorld();
  const before = await stored(world);
  const logged = world.app.log.length;
  await refuse(world);
  assert.deepEqual(await stored(world), before);
  const lines = JSON.stringify(world.app.log.slice(logged));
  assert.ok(!lines.includes(world.token) && !lines.includes(world.upload), "a secret was logged");
}

const BAD_AUTHORIZATIONS = [
  "Bearer",
  "Bearer ",
  "Bearer x",
  "Bearer null",
  "Bearer undefined",
  `Bearer hf_${"0".repeat(36)}`,
  `Bearer ${"x".repeat(10_000)}`,
  "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiJ9.",
  "Basic YWRtaW46YWRtaW4=",
  "DPoP x",
  "x",
];

for (const name of WITH_TOKEN) {
  test(`${name}: without a token, or with a wrong one, 401 before anything else is looked at`, () =>
    nothingHappens(async (world) => {
      const sample = world.sample(name);
      const body = sample.body === undefined ? undefined : JSON.stringify(sample.body);
      await refusal(await ask(world.app, { ...targetOf(name, sample), body }), "TOKEN_MISSING", name);
      await refusal(await ask(world.app, { ...targetOf(name, sample), body: body && "not JSON" }), "TOKEN_MISSING", name);
      const unknown = `Bearer ${makeToken(new Uint8Array(randomBytes(32)))}`;
      const schemes = [
        `Basic ${world.token}`,
        `DPoP ${world.token}`,
        `Bearer  ${world.token}`,
        `Bearer ${world.token} x`,
        `Bearer ${world.token},`,
        world.token,
      ];
      for (const authorization of [unknown, ...schemes, ...BAD_AUTHORIZATIONS]) {
        const response = await ask(world.app, { ...targetOf(name, sample), body, headers: { authorization } });
        await refusal(response, "TOKEN_INVALID", `${name} ${authorization.slice(0, 40)}`);
      }
      for (const query of [`token=${world.token}`, `access_token=${world.token}`, `authorization=Bearer%20${world.token}`]) {
        const { method, path } = targetOf(name, sample);
        const response = await ask(world.app, { method, path: `${path}${path.includes("?") ? "&" : "?"}${query}`, body });
        await refusal(response, "TOKEN_MISSING", `${name} ${query.slice(0, 8)}`);
      }
    }));
}

const NOT_JSON: [string, Body][] = [
  ["nothing", ""],
  ["spaces", " \r\n\t"],
  ["a word", "hello"],
  ["a broken object", "{"],
  ["a comma too many", '{"a":1,}'],
  ["single quotes", "{'a':1}"],
  ["no quotes", "{a:1}"],
  ["a comment", "{}//"],
  ["something behind", "{} {}"],
  ["NaN", '{"a":NaN}'],
  ["Infinity", '{"a":Infinity}'],
  ["a leading zero", '{"a":01}'],
  ["hex", '{"a":0x10}'],
  ["a control character in a string", '{"a":"\u0001"}'],
  ["a string that does not end", '{"a":"'],
  ["an escape that does not end", '{"a":"\\'],
  ["a byte order mark", "\ufeff{}"],
  ["bytes that are not UTF-8", new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d])],
  ["UTF-8 that broke off", new Uint8Array([0x22, 0xe6, 0xa8])],
  ["overlong UTF-8", new Uint8Array([0x22, 0xc0, 0xae, 0x22])],
  ["a surrogate in UTF-8", new Uint8Array([0x22, 0xed, 0xa0, 0x80, 0x22])],
  ["UTF-16", new Uint8Array(Buffer.from('\ufeff{"a":1}', "utf16le"))],
  ["gzip", new Uint8Array([0x1f, 0x8b, 0x08, 0x00])],
];
const NOT_AN_OBJECT = ["null", "true", "0", "1e400", '"text"', "[]", "[{}]"];
const DEEP: [string, string][] = [
  ["17 arrays", `${"[".repeat(17)}${"]".repeat(17)}`],
  ["17 objects", `${'{"a":'.repeat(17)}1${"}".repeat(17)}`],
  ["100,000 arrays that never end", "[".repeat(100_000)],
  ["1,000,000 of both", '[{"a":'.repeat(500_000)],
];

for (const name of WITH_BODY) {
  test(`${name}: a body that is missing, is no JSON, no object or too deep is refused by name`, () =>
    nothingHappens(async (world) => {
      const target = { ...targetOf(name, world.sample(name)), token: world.token };
      const refused = async (said: string, body: Body | undefined) => {
        const problem = await refusal(await ask(world.app, { ...target, body }), "REQUEST_INVALID", `${name} ${said}`);
        assert.match(problem.detail, /^the request is not valid: body/);
        return problem.detail;
      };
      assert.match(await refused("no body", undefined), /JSON is expected/);
      for (const [said, body] of NOT_JSON) assert.match(await refused(said, body), /it is not (JSON|UTF-8)/, said);
      for (const body of NOT_AN_OBJECT) await refused(body, body);
      // A public route takes no body that large.
      const deep = DEEP.filter(([, body]) => routeOf(name).needs !== "public" || body.length <= PUBLIC_BODY_BYTES_MAX);
      for (const [said, body] of deep) assert.match(await refused(said, body), /nested deeper than 16/, said);
    }));

  test(`${name}: a body of another media type is refused, also when it is JSON`, () =>
    nothingHappens(async (world) => {
      const sample = world.sample(name);
      const target = { ...targetOf(name, sample), token: world.token, body: JSON.stringify(sample.body) };
      const types = ["text/plain", "text/plain;charset=UTF-8", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"];
      for (const type of [
        ...types,
        "application/jsonp",
        "application/json5",
        "application/problem+json",
        "text/json",
        "json",
        "*/*",
        "",
        "x, application/json",
      ])
        await refusal(await ask(world.app, { ...target, headers: { "content-type": type } }), "MEDIA_TYPE_INVALID", `${name} ${type}`);
      const bytes = new Uint8Array(Buffer.from(target.body));
      const untyped = await world.app.fetch(`http://ferry.test${target.path}`, {
        method: target.method,
        headers: { authorization: `Bearer ${world.token}` },
        body: bytes,
      });
      await refusal(untyped, "MEDIA_TYPE_INVALID", `${name} without a type`);
    }));
}

test("JSON is taken under every spelling of its media type", async () => {
  for (const type of ["application/json", "application/json;charset=utf-8", "Application/JSON ; charset=UTF-8"]) {
    const world = await makeWorld();
    const sample = world.sample("createRepository");
    const response = await ask(world.app, {
      ...targetOf("createRepository", sample),
      token: world.token,
      headers: { "content-type": type },
      body: JSON.stringify(sample.body),
    });
    assert.equal(response.status, 201, type);
  }
});

test("who sends a request id of the usual form gets it back; anything else is replaced", () =>
  nothingHappens(async ({ app, token }) => {
    for (const id of ["12345678", "01JD7Z-abc_DEF", "a".repeat(64)]) {
      const problem = await refusal(
        await ask(app, { method: "GET", path: "/nowhere", token, headers: { "x-request-id": id } }),
        "ROUTE_UNKNOWN",
        id,
      );
      assert.equal(problem.requestId, id);
    }
    for (const id of ["short", "a".repeat(65), "with space", "../../x", "<script>", "a;b=c12345"]) {
      const problem = await refusal(
        await ask(app, { method: "GET", path: "/nowhere", token, headers: { "x-request-id": id } }),
        "ROUTE_UNKNOWN",
        id,
      );
      assert.notEqual(problem.requestId, id);
    }
  }));
