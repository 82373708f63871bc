/**
 * Scripts of webhooks' deliveries. KEYS: queue, deliveries, and the webhook's own list where one is told. Common rules: lua.ts.
 *
 * A delivery is two fields: `<id>` is what it is, `<id>:s` is <fence>|<attempts>|<state>|<last attempt>; while it waits it is a member of
 * the queue, scored by when it is due. Who claims it moves that to when the claim ends, and gets a higher fence.
 *
 * Invariants: what waits is in the queue, and nothing else; only the newest claim's holder says how an attempt ended.
 */
import { script } from "./lua.ts";

const STATE = `
local function stateOf(id)
  return string.match(redis.call('HGET', KEYS[2], id .. ':s') or '', '^(%d+)|(%d+)|(%a+)|(.*)$')
end`;

/** ARGV: due, how many are kept, then id, when it was made, what it is, … */
const ENQUEUE = `
for i = 3, #ARGV, 3 do
  local id = ARGV[i]
  if redis.call('HSETNX', KEYS[2], id, ARGV[i + 2]) == 1 then
    redis.call('HSET', KEYS[2], id .. ':s', '0|0|waiting|')
    redis.call('ZADD', KEYS[1], ARGV[1], id)
    redis.call('ZADD', KEYS[3], ARGV[i + 1], id)
  end
end
local over = redis.call('ZCARD', KEYS[3]) - tonumber(ARGV[2])
if over > 0 then
  for _, id in ipairs(redis.call('ZRANGE', KEYS[3], 0, over - 1)) do
    redis.call('HDEL', KEYS[2], id, id .. ':s')
    redis.call('ZREM', KEYS[1], id)
    redis.call('ZREM', KEYS[3], id)
  end
end
return 1`;

/** ARGV: now, until, how many. What each is, its fence and its attempts. */
const CLAIM = `
local claims = {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, ARGV[3])) do
  local fence, attempts, _, last = stateOf(id)
  if fence then
    redis.call('HSET', KEYS[2], id .. ':s', (fence + 1) .. '|' .. (attempts + 1) .. '|waiting|' .. last)
    redis.call('ZADD', KEYS[1], ARGV[2], id)
    claims[#claims + 1] = redis.call('HGET', KEYS[2], id)
    claims[#claims + 1] = fence + 1
    claims[#claims + 1] = attempts + 1
  else
    redis.call('ZREM', KEYS[1], id)
  end
end
return claims`;

/** ARGV: id, until. As CLAIM has it, of one. */
const TAKE = `
local fence, _, _, last = stateOf(ARGV[1])
if not fence then return {} end
redis.call('HSET', KEYS[2], ARGV[1] .. ':s', (fence + 1) .. '|1|waiting|' .. last)
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1])
return {redis.call('HGET', KEYS[2], ARGV[1]), fence + 1, 1}`;

/** ARGV: id, fence, state, when again or '', the attempt. */
const SETTLE = `
local fence, attempts = stateOf(ARGV[1])
if fence ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[2], ARGV[1] .. ':s', fence .. '|' .. attempts .. '|' .. ARGV[3] .. '|' .. ARGV[5])
if ARGV[4] == '' then redis.call('ZREM', KEYS[1], ARGV[1]) else redis.call('ZADD', KEYS[1], ARGV[4], ARGV[1]) end
return 1`;

/** ARGV: how many, or an id. What each is, its state, and when it is due or ''. */
const LIST = `
local ids = KEYS[3] and redis.call('ZREVRANGE', KEYS[3], 0, ARGV[1] - 1) or {ARGV[1]}
local found = {}
for _, id in ipairs(ids) do
  local values = redis.call('HMGET', KEYS[2], id, id .. ':s')
  if values[1] and values[2] then
    found[#found + 1] = values[1]
    found[#found + 1] = values[2]
    found[#found + 1] = redis.call('ZSCORE', KEYS[1], id) or ''
  end
end
return found`;

const DROP = `
for _, id in ipairs(redis.call('ZRANGE', KEYS[3], 0, -1)) do
  redis.call('HDEL', KEYS[2], id, id .. ':s')
  redis.call('ZREM', KEYS[1], id)
end
redis.call('DEL', KEYS[3])
return 1`;

/** KEYS: what came in. ARGV: seconds. */
const BEGIN = `
local known = redis.call('GET', KEYS[1])
if known then return known end
redis.call('SET', KEYS[1], 'busy', 'EX', ARGV[1])
return 'new'`;

export const HOOKS = {
  enqueue: script(ENQUEUE),
  claim: script(STATE, CLAIM),
  take: script(STATE, TAKE),
  settle: script(STATE, SETTLE),
  list: script(LIST),
  drop: script(DROP),
  begin: script(BEGIN),
};
