/** What all scripts have in common, so that they run on Redis 6.2, on Valkey and on Upstash, and lock no more than their keys there. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { INDEX, ITEMS_MAX, LEASE, UPLOAD } from "../../../functions/metadata/lua.ts";
import { ACCESS } from "../../../functions/metadata/lua-access.ts";
import { HOOKS } from "../../../functions/metadata/lua-hooks.ts";
import { REPOSITORY } from "../../../functions/metadata/lua-repository.ts";
import { SYSTEM } from "../../../functions/metadata/lua-system.ts";

/** All are in Redis since 6.2 or before: https://redis.io/docs/latest/commands/ */
const COMMANDS =
  "DEL EXPIRE GET HDEL HGET HGETALL HINCRBY HKEYS HMGET HSET HSETNX INCR SADD SET SMISMEMBER TIME UNLINK XADD ZADD ZCARD ZRANGE ZRANGEBYSCORE ZREM ZREMRANGEBYSCORE ZREVRANGE ZSCORE".split(
    " ",
  );

const SCRIPTS = Object.entries({ SYSTEM, REPOSITORY, ACCESS, INDEX, UPLOAD, LEASE, HOOKS }).flatMap(([group, scripts]) =>
  Object.entries<string>(scripts).map(([name, text]) => ({ name: `${group}.${name}`, text })),
);

for (const { name, text } of SCRIPTS) {
  test(`${name} asks for locks of its keys alone, and names every key through KEYS`, () => {
    assert.ok(text.startsWith("#!lua flags=allow-key-locking\n"));
    assert.ok(!text.includes("mf:"));
  });

  test(`${name} calls commands of Redis 6.2 only, and no library that Upstash does not document`, () => {
    for (const [, command] of text.matchAll(/redis\.call\('(\w+)'/g)) assert.ok(COMMANDS.includes(command ?? ""), command);
    // The one command that is chosen outside: ZRANGEBYLEX or ZREVRANGEBYLEX, both since 2.8.9.
    const chosen = [...text.matchAll(/redis\.call\((?!')[^)]*/g)].map(([call]) => call);
    assert.ok(chosen.every((call) => call.startsWith("redis.call(ARGV[2], KEYS[2], ARGV[3]")));
    assert.doesNotMatch(text, /cjson|cmsgpack|struct\.|bit\.|redis\.(pcall|sha1hex|setresp|log)|math\.random|loadstring/);
  });
}

test("what a script unpacks stays far from Lua's limit of some 8,000", () => {
  assert.ok(ITEMS_MAX <= 4_000);
});
