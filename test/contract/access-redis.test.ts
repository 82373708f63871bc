/** Access on a real Redis, by both ways: what it costs, that it holds when Redis goes back or is full, and that isolates share their limits. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Command, RedisCommands } from "../../functions/metadata/commands.ts";
import { redisIndexes } from "../../functions/metadata/indexes.ts";
import { Limits } from "../../functions/registry/limits.ts";
import type { Caller } from "../../functions/registry/ports.ts";
import { RateLimits } from "../../functions/registry/rate-limits.ts";
import { Scope } from "../../shared/contract/access.ts";
import { FerryError } from "../../shared/errors.ts";
import { makeToken } from "../../shared/token.ts";
import { ENDPOINT, type MemoryApp, memoryApp } from "../support/memory-app.ts";
import { type RedisIndexes, startRedisIndexes } from "../support/redis-indexes.ts";
import { whyNoRedis } from "../support/stack.ts";

const TEAM = Scope.parse({ repositories: "team/*", actions: ["pull", "push"] });

async function who(app: MemoryApp, token: string): Promise<string> {
  return app
    .clientFor(token)
    .call("whoAmI", {})
    .then(
      () => "OK",
      (error: unknown) => (error instanceof FerryError ? error.code : `${error}`),
    );
}

/** Passes everything on, and counts calls. */
class CountedCommands implements RedisCommands {
  calls: string[] = [];
  readonly #commands: RedisCommands;

  constructor(commands: RedisCommands) {
    this.#commands = commands;
  }

  pipeline(commands: readonly Command[]) {
    this.calls.push(...commands.map(([name]) => String(name)));
    return this.#commands.pipeline(commands);
  }

  script(script: string, keys: readonly string[], args: Command) {
    this.calls.push("EVAL");
    return this.#commands.script(script, keys, args);
  }
}

describe("access on a real Redis", { skip: whyNoRedis() }, () => {
  let parts: RedisIndexes;
  before(async () => {
    parts = await startRedisIndexes();
  });
  after(() => parts?.stop());

  let generations = 0;
  /** The app in memory, with its index on Redis. */
  async function appOn(commands: RedisCommands, limits?: Limits): Promise<{ app: MemoryApp; prefix: string }> {
    const generation = `access${++generations}`;
    const app = await memoryApp({
      ...(limits === undefined ? {} : { limits }),
      decorate: (ports) => ({ ...ports, ...redisIndexes({ commands, generation }) }),
    });
    return { app, prefix: `mf:${generation}:` };
  }

  for (const way of ["rest", "tcp"] as const) {
    test(`by ${way}: tokens are made, used, rotated, revoked and told when they were used`, async () => {
      const { app } = await appOn(parts[way]);
      const made = await app.admin.call("createToken", { body: { name: "some", scopes: [TEAM] } });
      const params = { id: made.description.id };
      assert.equal(await who(app, made.token), "OK");
      const turned = await app.admin.call("rotateToken", { params, body: { overlapSeconds: 60 } });
      assert.deepEqual([await who(app, made.token), await who(app, turned.token)], ["OK", "OK"]);
      const [told] = (await app.admin.call("listTokens", {})).tokens;
      assert.deepEqual([told?.lastUsedAt, told?.previousUntil], ["2026-01-01T00:00:00.000Z", "2026-01-01T00:01:00.000Z"]);
      app.clock.advance(60_000);
      assert.deepEqual([await who(app, made.token), await who(app, turned.token)], ["TOKEN_INVALID", "OK"]);
      await app.admin.call("revokeToken", { params });
      app.clock.advance(30_000);
      assert.equal(await who(app, turned.token), "TOKEN_INVALID");
    });

    test(`by ${way}: a token check costs no command for 30 s, and then one, with a look at the head every 30 s`, async (t) => {
      const commands = new CountedCommands(parts[way]);
      const { app } = await appOn(commands);
      const { token } = await app.admin.call("createToken", { body: { name: "some", scopes: [TEAM] } });
      await who(app, token);
      const during = async (act: () => Promise<unknown>) => {
        commands.calls = [];
        await act();
        return commands.calls.length;
      };
      const check = () => app.services.authenticate(token, null);
      assert.equal(await during(check), 0);
      app.clock.advance(30_000);
      assert.equal(await during(check), 2, "the token, and the head of the log");
      const begun = performance.now();
      for (let at = 0; at < 2_000; at++) await check();
      const checkMs = (performance.now() - begun) / 2_000;
      t.diagnostic(`a token check takes ${checkMs.toFixed(3)} ms`);
      // What goes on after answers, such as adding to counters every 10 s, is no part of a request.
      await who(app, token);
      await Promise.all(app.background);
      const counts: number[] = [];
      for (let at = 0; at < 200; at++) counts.push(await during(() => app.fetch(`${ENDPOINT}/api/v1/whoami`, bearer(token))));
      t.diagnostic(
        `200 requests in a row: ${counts.reduce((sum, count) => sum + count, 0)} commands, ${Math.max(...counts)} at most for one`,
      );
      assert.ok(Math.max(...counts) <= 1);
    });
  }

  test("a revocation holds within 60 s although Redis went back to before it", async () => {
    const { app, prefix } = await appOn(parts.tcp);
    const { token, description } = await app.admin.call("createToken", { body: { name: "some", scopes: [TEAM] } });
    const keys = await parts.raw.keys(`${prefix}sys*`);
    const dumps = await Promise.all(keys.map((key) => parts.raw.dumpBuffer(key)));
    const goBack = async () => {
      for (const [at, key] of keys.entries()) {
        const dump = dumps[at];
        if (dump) await parts.raw.restore(key, 0, dump, "REPLACE");
      }
    };
    assert.equal(await who(app, token), "OK");
    await app.admin.call("revokeToken", { params: { id: description.id } });
    await goBack();
    let seconds = 0;
    for (; (await who(app, token)) === "OK"; seconds++) app.clock.advance(1_000);
    assert.ok(seconds <= 60, `${seconds} s`);
    // And what this isolate knows of the log by now it does not unlearn.
    await goBack();
    assert.equal(await who(app, token), "TOKEN_INVALID");
  });

  test("isolates share an identity's limit: what they give together is never more, and what they hold back is bounded", async () => {
    const indexes = redisIndexes({ commands: parts.tcp, generation: "shared" });
    const limits = Limits.parse({ requestsPerMinute: 2_000, urlsPerMinute: 1_000 });
    let nowMs = Date.UTC(2026, 0, 1);
    const ports = { ...(await memoryApp()).ports, ...indexes, limits, clock: { now: () => nowMs } };
    const isolates = Array.from({ length: 4 }, () => new RateLimits(ports));
    const caller: Caller = { tokenId: "0".repeat(16), name: "x", kind: "robot", scopes: [], networks: [], expiresAt: null };
    const spend = async (count: number, urls: number) => {
      let granted = 0;
      const one = async (isolate: RateLimits) => {
        for (let at = 0; at < count; at++) if ((await isolate.spend(caller, { requests: 1, urls })).refusal === null) granted++;
      };
      await Promise.all(isolates.map(one));
      return granted;
    };
    const granted = await spend(700, 0);
    assert.ok(granted <= 2_000 && granted >= 2_000 - 4 * 31, `${granted} of 2,000 were given`);
    nowMs += 60_000;
    assert.equal(await spend(30, 10), 100, "URLs are given one by one");
  });

  test("a Redis that is full keeps nobody out and limits nobody; what was looked up before it was full is still looked up", async () => {
    const { app } = await appOn(parts.rest, Limits.parse({ requestsPerMinute: 5 }));
    const tokens = await Promise.all([1, 2].map(() => app.admin.call("createToken", { body: { name: "some", scopes: [TEAM] } })));
    await parts.raw.config("SET", "maxmemory", "1");
    await parts.raw.config("SET", "maxmemory-policy", "noeviction");
    try {
      await assert.rejects(parts.raw.set("more", "x"), /OOM/);
      for (const { token } of tokens) for (let at = 0; at < 10; at++) assert.equal(await who(app, token), "OK");
      assert.equal(await who(app, makeToken(crypto.getRandomValues(new Uint8Array(32)))), "TOKEN_INVALID");
    } finally {
      await parts.raw.config("SET", "maxmemory", "0");
    }
  });

  test("a short token ends with its time, and is in Redis alone", async () => {
    const { shortTokens, prefix } = parts.open(parts.rest);
    const caller: Caller = { tokenId: "0".repeat(16), name: "x", kind: "identity", scopes: [TEAM], networks: [], expiresAt: null };
    const hash = "ab".repeat(32) as never;
    await shortTokens.keep(hash, caller, 3_600);
    const key = `${prefix}short:${hash}`;
    const ttl = await parts.raw.ttl(key);
    assert.ok(ttl > 3_500 && ttl <= 3_600);
    await parts.raw.expire(key, 0);
    assert.equal(await shortTokens.find(hash), null);
  });

  test("a meter is gone when its bucket is full, and takes next to no room", async () => {
    const { meters, prefix } = parts.open(parts.rest);
    await meters.take([{ bucket: "requests:x", perMinute: 60, least: 6, most: 6 }], Date.now());
    const ttl = await parts.raw.pttl(`${prefix}meter:requests:x`);
    assert.ok(ttl > 4_000 && ttl <= 6_000, `${ttl} ms`);
    assert.ok(Number(await parts.raw.call("MEMORY", "USAGE", `${prefix}meter:requests:x`)) < 200);
  });
});

function bearer(token: string): RequestInit {
  return { headers: { authorization: `Bearer ${token}` } };
}
