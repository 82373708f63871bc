import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, describe, test } from "node:test";
import { Redis } from "@upstash/redis";
import * as z from "zod";
import { startTestBridge, startTestRedis, type TestBridge, type TestRedis, whyNoRedis } from "../support/stack.ts";

/** Values that a careless bridge changes on the way: they look like base64, numbers or JSON, or are no plain text. */
const ODD_STRINGS = {
  "looks like base64": "aGVsbG8=",
  "looks like an unpadded base64 word": "test",
  "looks like a number": "0042",
  "looks like a big number": "9007199254740993",
  "is the word OK": "OK",
  "is the word null": "null",
  "is empty": "",
  "holds CR LF and protocol": "a\r\n$3\r\nfoo\r\n",
  "holds NUL and control characters": "\u0000\u0001\u001f\u007f",
  "holds emoji and CJK": "模型 🚢 e\u0301",
  "holds quotes and backslashes": '"\\u0041"\\',
  "looks like JSON": '{"a":[1,2]}',
  "is long": "x".repeat(3_000_000),
};

/** One command's answer. */
const Item = z.strictObject({ result: z.unknown().optional(), error: z.string().optional() });

describe("the REST bridge before a real Redis, by the real Upstash client", { skip: whyNoRedis() }, () => {
  let server: TestRedis;
  let bridge: TestBridge;
  let redis: Redis;

  before(async () => {
    server = await startTestRedis();
    bridge = await startTestBridge(server.url);
    redis = clientOf(bridge.url, bridge.token);
  });
  after(async () => {
    await bridge.stop();
    await server.stop();
  });

  for (const [what, value] of Object.entries(ODD_STRINGS)) {
    test(`a value that ${what} comes back as it was stored`, async () => {
      assert.equal(await redis.set(`odd:${what}`, value), "OK");
      assert.equal(await redis.get(`odd:${what}`), value);
      assert.equal(await clientOf(bridge.url, bridge.token, false).get(`odd:${what}`), value);
    });
  }

  test("a missing value is null", async () => {
    assert.equal(await redis.get("missing"), null);
  });

  test("a pipeline answers each command on its own, an error beside results", async () => {
    const answers = await post("/pipeline", [["SET", "p", "1"], ["INCRBY", "p", 41], ["HGET", "p", "f"], ["NOPE"], ["GET", "p"]]);
    assert.equal(answers.status, 200);
    assert.deepEqual(answers.items[0], { result: "OK" });
    assert.deepEqual(answers.items[1], { result: 42 });
    assert.match(answers.items[2]?.error ?? "", /^WRONGTYPE/);
    assert.match(answers.items[3]?.error ?? "", /^ERR unknown command/);
    assert.deepEqual(answers.items[4], { result: "42" });
  });

  test("1,000 calls at once, pipelined by the client itself, each get their own answer", async () => {
    const keys = Array.from({ length: 1_000 }, (_, i) => `many:${i}`);
    await Promise.all(keys.map((key) => redis.set(key, key)));
    assert.deepEqual(await Promise.all(keys.map((key) => redis.get(key))), keys);
  });

  test("a transaction is carried out as one while others write the same key", async () => {
    const rounds = Array.from({ length: 50 }, async () => {
      const [first, second] = await redis.multi().incr("counter").incr("counter").exec<[number, number]>();
      assert.equal(second, first + 1);
    });
    const noise = Array.from({ length: 200 }, () => redis.incr("counter"));
    await Promise.all([...rounds, ...noise]);
    assert.equal(await redis.get("counter"), "300");
  });

  test("a transaction with a command that Redis does not know is discarded whole, and says which", async () => {
    const answer = await post("/multi-exec", [
      ["SET", "discarded", "1"],
      ["NOPE", "x"],
    ]);
    assert.equal(answer.status, 400);
    assert.match(answer.items[0]?.error ?? "", /^EXECABORT .*NOPE/);
    assert.equal(await redis.get("discarded"), null);
  });

  test("a failing command of a transaction fails alone", async () => {
    await redis.set("text", "x");
    const answer = await post("/multi-exec", [
      ["INCR", "text"],
      ["SET", "after", "1"],
    ]);
    assert.equal(answer.status, 200);
    assert.match(answer.items[0]?.error ?? "", /^ERR value is not an integer/);
    assert.deepEqual(answer.items[1], { result: "OK" });
  });

  test("a script with Upstash's flag runs by EVAL, and then by the digest of the text that the caller knows", async () => {
    const script = redis.createScript<string[]>(
      "#!lua flags=allow-key-locking\nredis.call('SET', KEYS[1], ARGV[1])\nreturn {KEYS[1], ARGV[1]}",
    );
    await assert.rejects(script.evalsha(["script"], ["before"]), /NOSCRIPT/);
    assert.deepEqual(await script.exec(["script"], ["first"]), ["script", "first"]);
    assert.deepEqual(await script.evalsha(["script"], ["second"]), ["script", "second"]);
    assert.equal(await redis.get("script"), "second");
    const digest = createHash("sha1").update(script.script).digest("hex");
    assert.deepEqual(await redis.scriptExists(digest, "0".repeat(40)), [1, 0]);
  });

  test("SCRIPT LOAD answers the digest of the caller's text", async () => {
    const text = "#!lua flags=allow-key-locking\nreturn 'loaded'";
    const digest = await redis.scriptLoad(text);
    assert.equal(digest, createHash("sha1").update(text).digest("hex"));
    assert.equal(await redis.evalsha(digest, [], []), "loaded");
  });

  test("an error of a script keeps its line number, and its other flags still hold", async () => {
    await assert.rejects(redis.eval("#!lua flags=allow-key-locking\n\nerror('here')", [], []), /user_script:3: here/);
    await assert.rejects(
      redis.eval("#!lua flags=allow-key-locking,no-writes\nreturn redis.call('SET', KEYS[1], '1')", ["w"], []),
      /no-writes|read-only/,
    );
  });

  test("hashes, sorted sets, streams and scans keep their shapes", async () => {
    await redis.hset("h", { a: "1", 模: "b\r\n" });
    assert.deepEqual(await redis.hgetall("h"), ["a", "1", "模", "b\r\n"]);
    await redis.zadd("z", { score: 1.5, member: "low" }, { score: Number.MAX_SAFE_INTEGER, member: "high" });
    assert.deepEqual(await redis.zrange("z", 0, -1, { withScores: true }), ["low", "1.5", "high", String(Number.MAX_SAFE_INTEGER)]);
    const id = await redis.xadd("s", "*", { kind: "commit", at: "1" });
    assert.deepEqual(await redis.xrange("s", "-", "+"), [[id, ["kind", "commit", "at", "1"]]]);
    await Promise.all(Array.from({ length: 250 }, (_, i) => redis.sadd("set", `member:${i}`)));
    const members = new Set<string>();
    for (let cursor = "0"; ; ) {
      const [next, page] = await redis.sscan("set", cursor, { count: 50 });
      for (const member of page) members.add(String(member));
      cursor = next;
      if (cursor === "0") break;
    }
    assert.equal(members.size, 250);
  });

  test("integers beyond 2^53 lose no digit in the answer's text, and are refused where the question rounded them", async () => {
    await post("/", ["SET", "big", "9223372036854775806"]);
    const answer = await ask("/", { method: "POST", body: JSON.stringify(["INCR", "big"]) });
    assert.equal(await answer.text(), '{"result":9223372036854775807}');
    const refused = await ask("/", { method: "POST", body: '["SET","big",9007199254740993]' });
    assert.equal(refused.status, 400);
  });

  test("commands by path, the body and the query as their last arguments", async () => {
    assert.deepEqual((await post("/set/by%2Fpath", undefined, "from the body")).items, [{ result: "OK" }]);
    assert.deepEqual(await (await ask("/get/by%2Fpath")).json(), { result: "from the body" });
    assert.deepEqual(await (await ask("/set/by/path/x?EX=100")).json(), { error: "ERR syntax error" });
    assert.deepEqual(await (await ask("/set/short/x?EX=100")).json(), { result: "OK" });
    assert.deepEqual(await (await ask("/ttl/short")).json(), { result: 100 });
  });

  test("without the right token nothing is answered, whatever the path", async () => {
    for (const path of ["/", "/pipeline", "/multi-exec", "/get/counter"]) {
      for (const authorization of [undefined, "Bearer wrong", `Bearer ${bridge.token}x`, `Basic ${bridge.token}`, bridge.token]) {
        const headers = authorization === undefined ? {} : { authorization };
        const answer = await fetch(bridge.url + path, { method: "POST", headers, body: '["GET","counter"]' });
        assert.equal(answer.status, 401, `${path} with ${authorization}`);
        assert.deepEqual(await answer.json(), { error: "Unauthorized" });
      }
    }
    await assert.rejects(clientOf(bridge.url, "wrong").get("counter"), /Unauthorized/);
  });

  const REFUSED = [
    ["BLPOP", "l", "0"],
    ["XREAD", "COUNT", "1", "BLOCK", "0", "STREAMS", "s", "$"],
    ["XREADGROUP", "GROUP", "STREAMS", "c", "BLOCK", "0", "STREAMS", "s", ">"],
    ["SUBSCRIBE", "c"],
    ["multi"],
    ["SELECT", "1"],
    ["CLIENT", "REPLY", "OFF"],
    ["Shutdown", "NOSAVE"],
    ["CONFIG", "GET", "requirepass"],
    [],
    [""],
    ["GET", null],
    ["GET", ["nested"]],
    "GET counter",
  ];
  for (const command of REFUSED) {
    test(`${JSON.stringify(command)} is refused, alone and in a pipeline with others`, async () => {
      await redis.set("untouched", "1");
      assert.equal((await post("/", command)).status, 400);
      for (const path of ["/pipeline", "/multi-exec"]) assert.equal((await post(path, [["SET", "untouched", "2"], command])).status, 400);
      assert.equal(await redis.get("untouched"), "1");
    });
  }

  test("a stream key that is named BLOCK is no reason to refuse", async () => {
    assert.deepEqual((await post("/", ["XREAD", "COUNT", "1", "STREAMS", "BLOCK", "0"])).items, [{ result: null }]);
  });

  test("a body over 10 MiB is refused, and the connection still serves", async () => {
    const answer = await post("/", ["SET", "large", "x".repeat(10 * 1024 * 1024)]);
    assert.equal(answer.status, 413);
    assert.match(answer.items[0]?.error ?? "", /^ERR max request size exceeded/);
    assert.equal(await redis.exists("large"), 0);
  });

  test("a call that is under way when Redis dies fails, and the next one finds the Redis that came back", async () => {
    await redis.set("kept", "1");
    process.kill(server.pid(), "SIGSTOP");
    const underWay = post("/", ["GET", "kept"]);
    await server.crash();
    for (const answer of [await underWay, await post("/", ["GET", "kept"])]) {
      assert.equal(answer.status, 500);
      assert.match(answer.items[0]?.error ?? "", /^ERR redis is not available/);
    }
    await server.restart();
    assert.equal(await redis.set("kept", "2"), "OK");
    assert.equal(await redis.get("kept"), "2");
  });

  test("the client's read-your-writes token survives the round trip", async () => {
    const answer = await ask("/", { method: "POST", body: '["PING"]', headers: { "upstash-sync-token": "abc" } });
    assert.equal(answer.headers.get("upstash-sync-token"), "abc");
  });

  function ask(path: string, init: RequestInit = {}): Promise<Response> {
    return fetch(bridge.url + path, { ...init, headers: { authorization: `Bearer ${bridge.token}`, ...init.headers } });
  }

  async function post(path: string, json: unknown, body = JSON.stringify(json)) {
    const answer = await ask(path, { method: "POST", body });
    return { status: answer.status, items: z.array(Item).parse([await answer.json()].flat()) };
  }
});

function clientOf(url: string, token: string, base64 = true): Redis {
  return new Redis({ url, token, automaticDeserialization: false, retry: { retries: 0 }, ...(base64 ? {} : { responseEncoding: false }) });
}
