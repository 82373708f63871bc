import assert from "node:assert/strict";
import { test } from "node:test";
import * as z from "zod";
import { FerryError } from "../../../shared/errors.ts";
import { type MemoryApp, memoryApp, repositoryName } from "../../support/memory-app.ts";
import type { MemoryStoresOptions } from "../../support/memory-bucket.ts";
import { ferry, type HostOptions, onApp } from "../../support/memory-host.ts";
import { Pusher } from "../../support/pusher.ts";

const Answer = z.object({
  ok: z.boolean(),
  findings: z.array(z.object({ check: z.string(), state: z.string(), detail: z.string(), next: z.string().optional() })),
});
const DAY_MS = 86_400_000;

async function deployment(stores: MemoryStoresOptions = {}): Promise<{ app: MemoryApp; options: HostOptions }> {
  const app = await memoryApp(stores);
  const scopes = [{ repositories: "*", actions: ["pull" as const, "push" as const] }];
  const { token } = await app.admin.call("createToken", { body: { name: "Ada", scopes } });
  return { app, options: onApp(app, token) };
}

async function push(app: MemoryApp): Promise<void> {
  const pusher = new Pusher(app.admin, app.stores.fetch);
  await pusher.create(repositoryName("team/llama"));
  await pusher.push(repositoryName("team/llama"), { "config.json": "{}" });
}

async function examined(argv: string[], options: HostOptions) {
  const { exit, stdout, stderr } = await ferry(["doctor", "--json", ...argv], options);
  const { ok, findings } = Answer.parse(JSON.parse(stdout));
  assert.equal(stderr, "");
  const of = (check: string) => findings.find((finding) => finding.check === check);
  return { exit, ok, of, checks: findings.map(({ check }) => check) };
}

test("all is well with a deployment that answers, and a signed read is tried on every store", async () => {
  const { app, options } = await deployment({ ids: ["home", "west"] });
  await push(app);
  const { exit, ok, of, checks } = await examined([], options);
  assert.deepEqual([exit, ok], [0, true]);
  assert.deepEqual(
    checks.filter((check) => !["proxy", "disk", "memory"].includes(check)),
    [
      "program",
      "endpoint",
      "version",
      "tls",
      "clock",
      "token",
      "store home",
      "reach home",
      "store west",
      "reach west",
      "warmth",
      "agents",
      "quotas",
    ],
  );
  assert.match(of("reach home")?.detail ?? "", /^a signed read worked/);
  assert.match(of("clock")?.detail ?? "", /agrees/);
});

test("--write sends a few bytes by a ticket and commits nothing", async () => {
  const { app, options } = await deployment();
  await push(app);
  const { exit, of } = await examined(["team/llama", "--write"], options);
  assert.equal(exit, 0);
  assert.deepEqual(of("write")?.state, "ok");
  const { refs, revisionCount } = await app.admin.call("describeRepository", { repository: repositoryName("team/llama") });
  assert.deepEqual([Object.keys(refs.branches), revisionCount], [["main"], 1]);
});

test("an endpoint that does not answer is the end: exit code 6, with what next", async () => {
  const refused = Object.assign(new TypeError("fetch failed"), { cause: Object.assign(new Error("x"), { code: "ECONNREFUSED" }) });
  const { exit, ok, of } = await examined([], { env: { FERRY_ENDPOINT: "https://ferry.test" }, fetch: () => Promise.reject(refused) });
  assert.deepEqual([exit, ok], [6, false]);
  assert.match(of("endpoint")?.detail ?? "", /can't be reached: ECONNREFUSED/);
  assert.equal(of("token"), undefined);
});

test("a certificate that is not trusted is told apart from a dead network", async () => {
  const refused = Object.assign(new TypeError("fetch failed"), {
    cause: Object.assign(new Error("x"), { code: "SELF_SIGNED_CERT_IN_CHAIN" }),
  });
  const { of } = await examined([], { env: { FERRY_ENDPOINT: "https://ferry.test" }, fetch: () => Promise.reject(refused) });
  assert.match(of("endpoint")?.next ?? "", /NODE_EXTRA_CA_CERTS/);
});

/** [what is wrong, exit code, the check that says so, its state and words] */
const TROUBLES: [string, () => Promise<HostOptions>, number, string, string, RegExp][] = [
  ["no endpoint", async () => ({}), 2, "settings", "fail", /no endpoint is set/],
  ["no token", async () => onApp((await deployment()).app), 4, "token", "fail", /needs a token/],
  ["a bad token", async () => onApp((await deployment()).app, "hf_x"), 4, "token", "fail", /unknown, expired or revoked/],
  ["a clock that is wrong", async () => skewed(-120_000), 0, "clock", "warn", /2 min behind/],
  ["a token near its end", async () => expiring(2 * DAY_MS), 0, "token", "warn", /valid until/],
  ["a home store without a probe", async () => (await deployment({ modes: null })).options, 6, "store home", "fail", /not probed yet/],
  [
    "a home store that refuses nothing",
    async () => (await deployment({ modes: [] })).options,
    6,
    "store home",
    "fail",
    /refuses no wrong bytes/,
  ],
  ["an empty deployment", async () => (await deployment()).options, 0, "reach home", "ok", /nothing is stored there to read/],
  ["a store that can't be reached", async () => unreachable(), 6, "reach home", "fail", /can't be reached: EHOSTUNREACH/],
  ["a store that refuses signatures", async () => refusing(), 6, "reach home", "fail", /refused with 403/],
  [
    "a certificate near its end",
    async () => ({ ...(await deployment()).options, certificateUntil: "2026-01-03T00:00:00Z" }),
    0,
    "tls",
    "warn",
    /2 more days/,
  ],
  ["a proxy", async () => withEnv({ HTTPS_PROXY: "http://proxy.test:3128" }), 0, "proxy", "warn", /^HTTPS_PROXY is set/],
];

for (const [trouble, make, exit, check, state, words] of TROUBLES) {
  test(`${trouble} is found`, async () => {
    const found = await examined([], await make());
    assert.equal(found.of(check)?.state, state);
    assert.match(found.of(check)?.detail ?? "", words);
    assert.ok(state === "ok" || (found.of(check)?.next ?? "") !== "", "says what next");
    assert.equal(found.exit, exit);
  });
}

async function skewed(byMs: number): Promise<HostOptions> {
  const { app, options } = await deployment();
  return { ...options, now: () => app.clock.now() + byMs };
}

async function expiring(inMs: number): Promise<HostOptions> {
  const app = await memoryApp();
  const body = { name: "Rob", scopes: [{ repositories: "*", actions: ["pull" as const] }], expiresInSeconds: inMs / 1000 };
  return onApp(app, (await app.admin.call("createToken", { body })).token);
}

async function storeAnswering(answer: () => Promise<Response>): Promise<HostOptions> {
  const { app, options } = await deployment();
  await push(app);
  return { ...options, fetch: (url, init) => (url.includes(".memory.test") ? answer() : app.fetch(url, init)) };
}

function unreachable(): Promise<HostOptions> {
  const cause = Object.assign(new Error("connect https://home.memory.test?X-Amz-Signature=secret"), { code: "EHOSTUNREACH" });
  return storeAnswering(() => Promise.reject(Object.assign(new TypeError("fetch failed"), { cause })));
}

function refusing(): Promise<HostOptions> {
  return storeAnswering(async () => new Response(null, { status: 403 }));
}

async function withEnv(env: Record<string, string>): Promise<HostOptions> {
  const { options } = await deployment();
  return { ...options, env: { ...options.env, ...env } };
}

test("what doctor prints holds no token and no signature", async () => {
  const { app, options } = await deployment();
  await push(app);
  const { stdout, stderr } = await ferry(["doctor", "team/llama", "--write"], { ...options, env: { ...options.env, FERRY_DEBUG: "1" } });
  const told = stdout + stderr;
  assert.match(told, /^ok {4}reach home/m);
  assert.ok(!told.includes(options.env?.["FERRY_TOKEN"] ?? "?"));
  assert.doesNotMatch(told, /X-Amz-Signature=(?!\[)|Signature=[0-9a-f]/);
});

test("a wrong repository is told as such", async () => {
  const { options } = await deployment();
  const { exit, of } = await examined(["team/none"], options);
  assert.equal(exit, 3);
  assert.equal(of("stores")?.detail, new FerryError("REPOSITORY_UNKNOWN", { repository: "team/none" }).message);
});
