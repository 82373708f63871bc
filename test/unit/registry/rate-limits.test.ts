/** Limits through the app: what an identity, and an address, may ask for, what it is told, and what the limiter itself costs. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Limits } from "../../../functions/registry/limits.ts";
import type { Ports } from "../../../functions/registry/ports.ts";
import { Scope } from "../../../shared/contract/access.ts";
import { FerryError } from "../../../shared/errors.ts";
import { RefName } from "../../../shared/names.ts";
import { makeToken } from "../../../shared/token.ts";
import { ENDPOINT, type MemoryApp, memoryApp, operationId, repositoryName } from "../../support/memory-app.ts";
import { digestOf, Pusher } from "../../support/pusher.ts";

const ALL = Scope.parse({ repositories: "*", actions: ["pull", "push"] });
const limits = (some: Partial<Limits>): Limits =>
  Limits.parse({ requestsPerMinute: 1e6, urlsPerMinute: 1e8, failuresPerMinute: 1e6, exchangesPerMinute: 1e6, ...some });

async function ask(app: MemoryApp, token: string, path = "/api/v1/whoami", headers: Record<string, string> = {}): Promise<Response> {
  return app.fetch(ENDPOINT + path, { headers: { authorization: `Bearer ${token}`, ...headers } });
}

async function tokenOf(app: MemoryApp): Promise<string> {
  return (await app.admin.call("createToken", { body: { name: "some", scopes: [ALL] } })).token;
}

/** Meters that count how often they are asked. */
function counted(): { calls: () => number; decorate: (ports: Ports) => Ports } {
  let calls = 0;
  const decorate = (ports: Ports): Ports => ({
    ...ports,
    meters: {
      take: (wants, nowMs) => {
        calls++;
        return ports.meters.take(wants, nowMs);
      },
    },
  });
  return { calls: () => calls, decorate };
}

test("an identity gets its requests, then 429 with the time to wait, then its rate; another identity is not touched", async () => {
  const app = await memoryApp({ limits: limits({ requestsPerMinute: 60 }) });
  const [token, other] = [await tokenOf(app), await tokenOf(app)];
  for (let at = 0; at < 60; at++) assert.equal((await ask(app, token)).status, 200, `request ${at}`);
  const refused = await ask(app, token);
  assert.deepEqual([refused.status, refused.headers.get("retry-after"), refused.headers.get("x-error-code")], [429, "1", "RATE_LIMITED"]);
  assert.match(((await refused.json()) as { detail: string }).detail, /^too many requests$/);
  assert.equal((await ask(app, other)).status, 200);
  app.clock.advance(1_000);
  assert.deepEqual([(await ask(app, token)).status, (await ask(app, token)).status], [200, 429]);
});

test("every answer tells what is left", async () => {
  const app = await memoryApp({ limits: limits({ requestsPerMinute: 60, urlsPerMinute: 100 }) });
  const token = await tokenOf(app);
  const first = await ask(app, token);
  assert.equal(first.headers.get("ratelimit-policy"), '"requests";q=60;w=60');
  assert.equal(first.headers.get("ratelimit"), '"requests";r=59;t=1');
  const left = [];
  for (let at = 0; at < 61; at++) left.push(Number(/r=(\d+)/.exec((await ask(app, token)).headers.get("ratelimit") ?? "")?.[1]));
  assert.deepEqual(left, [...Array.from({ length: 59 }, (_, at) => 58 - at), 0, 0]);
});

test("heavy requests count several times", async () => {
  const app = await memoryApp({ limits: limits({ requestsPerMinute: 60 }) });
  const token = await tokenOf(app);
  const statuses = [];
  for (let at = 0; at < 7; at++) statuses.push((await ask(app, token, "/api/v1/usage")).status);
  assert.deepEqual(statuses, [200, 200, 200, 200, 200, 200, 429]);
});

test("URLs are counted one by one, in pulls and in pushes, and a refused page costs nothing", async () => {
  const app = await memoryApp({ limits: limits({ urlsPerMinute: 10 }) });
  const client = app.clientFor(await tokenOf(app));
  const pusher = new Pusher(client, app.stores.fetch);
  const model = repositoryName("team/model");
  const files = Object.fromEntries(["a", "b", "c", "d"].map((name) => [name, `content of ${name}`]));
  await pusher.create(model);
  await pusher.push(model, files);
  const chunks = Object.values(files).map(digestOf);
  const download = (count: number) =>
    client.call("download", { repository: model, params: { ref: "main" }, body: { chunks: chunks.slice(0, count) } }).then(
      ({ items }) => items.length,
      (error: unknown) => (error instanceof FerryError ? error.message : error),
    );
  assert.equal(await download(4), 4);
  assert.equal(await download(4), "too many presigned URLs");
  assert.equal(await download(2), 2);
  assert.equal(await download(1), "too many presigned URLs");
  app.clock.advance(6_000);
  assert.equal(await download(1), 1);
});

test("who asks often asks the index seldom: at most one command a request, and one for dozens of them in the end", async () => {
  const { calls, decorate } = counted();
  const app = await memoryApp({ decorate, limits: limits({ requestsPerMinute: 100_000 }) });
  const token = await tokenOf(app);
  const before = calls();
  for (let at = 0; at < 1_000; at++) await ask(app, token);
  // 1, 2, 4, 8, 16, then 32 at a time.
  assert.equal(calls() - before, 5 + Math.ceil((1_000 - 31) / 32));
  for (let at = 0; at < 10; at++) {
    const asked = calls();
    await ask(app, token);
    app.clock.advance(6_000);
    assert.ok(calls() - asked <= 1);
  }
});

test("what was given ahead is spent within five seconds or gone: beyond its rate an isolate lets 31 requests through", async () => {
  const app = await memoryApp({ limits: limits({ requestsPerMinute: 6_000 }) });
  const token = await tokenOf(app);
  const taken = () => {
    const [fullAtMs = 0] = [...app.indexes.meters.fullAtMs].flatMap(([name, at]) => (name.startsWith("requests:") ? [at] : [])).slice(-1);
    return Math.round((fullAtMs - app.clock.now()) / 10);
  };
  let sent = 0;
  for (; sent < 500; sent++) await ask(app, token);
  const ahead = taken() - sent;
  assert.ok(ahead >= 0 && ahead <= 31, `${ahead} were taken ahead`);
  app.clock.advance(5_000);
  const before = taken();
  await ask(app, token);
  assert.equal(taken() - before, 1, "after a pause it begins with one");
});

test("wrong tokens from one address are limited before they are looked up; other addresses, and callers known here, go on", async () => {
  let lookups = 0;
  const app = await memoryApp({
    limits: limits({ failuresPerMinute: 5 }),
    decorate: (ports) => ({
      ...ports,
      system: new Proxy(ports.system, {
        get(target, key) {
          if (key === "atLeast") lookups++;
          const member: unknown = Reflect.get(target, key);
          return typeof member === "function" ? member.bind(target) : member;
        },
      }),
    }),
  });
  const good = await tokenOf(app);
  const from = (token: string, address: string) => ask(app, token, undefined, { "cf-connecting-ip": address });
  const wrong = () => makeToken(crypto.getRandomValues(new Uint8Array(32)));
  assert.equal((await from(good, "192.0.2.1")).status, 200);
  const statuses = [];
  for (let at = 0; at < 6; at++) statuses.push((await from(wrong(), "192.0.2.1")).status);
  assert.deepEqual(statuses, [401, 401, 401, 401, 401, 429]);
  const before = lookups;
  for (let at = 0; at < 20; at++) {
    const refused = await from(wrong(), "192.0.2.1");
    assert.deepEqual([refused.status, refused.headers.get("retry-after")], [429, "12"]);
  }
  assert.equal(lookups, before);
  assert.equal((await from(good, "192.0.2.1")).status, 200);
  assert.equal((await from(wrong(), "192.0.2.2")).status, 401);
  app.clock.advance(12_000);
  assert.equal((await from(wrong(), "192.0.2.1")).status, 401);
});

test("all addresses of one IPv6 network of 64 bits are one, and so are those that are not known", async () => {
  const app = await memoryApp({ limits: limits({ failuresPerMinute: 2 }) });
  const wrong = (headers: Record<string, string>) => ask(app, makeToken(crypto.getRandomValues(new Uint8Array(32))), undefined, headers);
  for (const headers of [(at: number) => ({ "cf-connecting-ip": `2001:db8::${at}` }), () => ({})]) {
    const statuses = [];
    for (let at = 1; at <= 3; at++) statuses.push((await wrong(headers(at))).status);
    assert.deepEqual(statuses, [401, 401, 429]);
  }
  assert.equal((await wrong({ "cf-connecting-ip": "2001:db8:0:1::1" })).status, 401);
});

test("texts that can't be tokens cost nothing, and are not counted", async () => {
  const { calls, decorate } = counted();
  const app = await memoryApp({ decorate, limits: limits({ failuresPerMinute: 1 }) });
  const before = calls();
  for (let at = 0; at < 50; at++) assert.equal((await ask(app, `hf_${"0".repeat(36)}`)).status, 401);
  assert.equal(calls(), before);
});

test("while the index takes no writes nobody is limited and nobody is refused for it", async () => {
  const app = await memoryApp({
    limits: limits({ requestsPerMinute: 1 }),
    decorate: (ports) => ({
      ...ports,
      meters: {
        take: async () => {
          throw new FerryError("INDEX_UNAVAILABLE", { problem: "it refused the command (OOM)" });
        },
      },
    }),
  });
  const token = await tokenOf(app);
  for (let at = 0; at < 5; at++) {
    const response = await ask(app, token);
    assert.deepEqual([response.status, response.headers.has("ratelimit")], [200, false]);
  }
});

test("public routes ask for no budget", async () => {
  const { calls, decorate } = counted();
  const app = await memoryApp({ decorate, limits: limits({ requestsPerMinute: 1 }) });
  for (let at = 0; at < 5; at++)
    for (const path of ["/healthz", "/api/v1", "/openapi.json"]) assert.equal((await app.fetch(ENDPOINT + path)).status, 200, path);
  assert.equal(calls(), 0);
});

test("one token begins only so many uploads; the one of a branch that it goes on with is none more, and a commit makes room", async () => {
  const app = await memoryApp({ limits: limits({ openUploads: 2 }) });
  const [client, other] = [app.clientFor(await tokenOf(app)), app.clientFor(await tokenOf(app))];
  const pusher = new Pusher(client, app.stores.fetch);
  const model = repositoryName("team/model");
  await pusher.create(model);
  const open = (who: typeof client, branch: string) =>
    who.call("openUpload", { repository: model, body: { branch: RefName.parse(branch), operationId: operationId() } }).then(
      () => "OK",
      (error: unknown) => (error instanceof FerryError ? error.code : `${error}`),
    );
  assert.deepEqual([await open(client, "a"), await open(client, "b"), await open(client, "c")], ["OK", "OK", "UPLOADS_EXCEEDED"]);
  assert.deepEqual([await open(client, "a"), await open(other, "c")], ["OK", "OK"]);
  await pusher.push(model, { weights: "w" }, { branch: RefName.parse("a") });
  assert.equal(await open(client, "c"), "OK");
  app.clock.advance(86_400_000);
  assert.deepEqual([await open(client, "d"), await open(client, "e")], ["OK", "OK"]);
});

test("a refusal costs ten requests, so that nobody has the audit trail filled with his tries", async () => {
  const app = await memoryApp({ limits: limits({ requestsPerMinute: 60 }) });
  const token = await tokenOf(app);
  const statuses = [];
  for (let at = 0; at < 8; at++) statuses.push((await ask(app, token, "/api/v1/tokens")).status);
  assert.deepEqual(statuses, [403, 403, 403, 403, 403, 403, 429, 429]);
  await app.services.audit.flush();
  const page = await app.admin.call("listAudit", { query: { result: "RATE_LIMITED" } });
  assert.equal(page.events.length, 1, "of a flood the trail tells once a minute");
});

test("a token that is used from where it may not be counts as a wrong one, also when its holder is known here", async () => {
  const app = await memoryApp({ limits: limits({ failuresPerMinute: 3 }) });
  const { token } = await app.admin.call("createToken", { body: { name: "bound", scopes: [ALL], networks: ["10.0.0.0/8"] } });
  const from = async (address: string) => (await ask(app, token, undefined, { "cf-connecting-ip": address })).status;
  assert.equal(await from("10.0.0.1"), 200);
  const statuses = [];
  for (let at = 0; at < 5; at++) statuses.push(await from("192.0.2.1"));
  assert.deepEqual(statuses, [403, 403, 403, 429, 429]);
  assert.equal(await from("10.0.0.1"), 200);
});
