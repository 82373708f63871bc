/**
 * Scripts of replication's tasks. KEYS: jobs, queue, tasks of one store. Common rules: lua.ts.
 *
 * A task is a member `<job>:<n>` of the queue, scored by when it may be given out; one that was never given out is scored by its rank, so
 * it comes before all that wait for a time. Its field in tasks says what it is, and stays as "done" until its job ends.
 *
 * Invariants: a task is done once, by the holder of its newest lease; `<job>:left` counts the tasks that are not done; every lease of a
 * store has a higher number than those before.
 */
import { script } from "./lua.ts";

const CLEAR = `
local function clear(job)
  local count = tonumber(redis.call('HGET', KEYS[1], job .. ':count') or 0)
  for n = 0, count - 1 do
    redis.call('HDEL', KEYS[3], job .. ':' .. n)
    redis.call('ZREM', KEYS[2], job .. ':' .. n)
  end
  redis.call('HDEL', KEYS[1], job, job .. ':copy', job .. ':count', job .. ':left', job .. ':bytes', job .. ':failures', job .. ':problem')
end`;

/** ARGV: job, plan, its envelope, rank, then what each task is. Who plans the same at the same time takes nothing from anybody. */
const PUT = `
local job = ARGV[1]
if redis.call('HGET', KEYS[1], job .. ':copy') == ARGV[3] then return 0 end
clear(job)
local count = #ARGV - 4
redis.call('HSET', KEYS[1], job, ARGV[2], job .. ':copy', ARGV[3], job .. ':count', count, job .. ':left', count)
for n = 0, count - 1 do
  redis.call('HSET', KEYS[3], job .. ':' .. n, '0|0|' .. ARGV[n + 5])
  redis.call('ZADD', KEYS[2], ARGV[4], job .. ':' .. n)
end
return 1`;

/** ARGV: job, rank. 0 when parts of it are lost. */
const MEND = `
local job = ARGV[1]
local count = redis.call('HGET', KEYS[1], job .. ':count')
if not count or not redis.call('HGET', KEYS[1], job) then return 0 end
local left = 0
for n = 0, count - 1 do
  local task = redis.call('HGET', KEYS[3], job .. ':' .. n)
  if not task then return 0 end
  if task ~= 'done' then
    left = left + 1
    redis.call('ZADD', KEYS[2], 'NX', ARGV[2], job .. ':' .. n)
  end
end
redis.call('HSET', KEYS[1], job .. ':left', left)
return 1`;

/**
 * ARGV: now, until when, bytes per second that may pass (0: any number), how long before its turn a task may be given. Task, plan, fence, failures, the fence before and places; nothing when none may be given out. `@` is the
 * time at which all that was given out has passed at that rate.
 */
const LEASE = `
local rate, passed = tonumber(ARGV[3]), tonumber(redis.call('HGET', KEYS[3], '@') or 0)
if rate > 0 and passed > ARGV[1] + ARGV[4] then return {} end
for _, task in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', ARGV[1], 'LIMIT', 0, 50)) do
  local was, failures, bytes, places = string.match(redis.call('HGET', KEYS[3], task) or '', '^(%d+)|(%d+)|(%d+)|(.*)$')
  local plan = redis.call('HGET', KEYS[1], string.match(task, '^(.*):') or '')
  if was and plan then
    local fence = redis.call('HINCRBY', KEYS[3], '#', 1)
    redis.call('HSET', KEYS[3], task, fence .. '|' .. failures .. '|' .. bytes .. '|' .. places)
    redis.call('ZADD', KEYS[2], ARGV[2], task)
    if rate > 0 then
      redis.call('HSET', KEYS[3], '@', string.format('%.0f', math.max(passed, tonumber(ARGV[1])) + bytes * 1000 / rate))
    end
    return {task, plan, fence, failures, was, places}
  end
  redis.call('ZREM', KEYS[2], task)
end
return {}`;

/** ARGV: task, fence. What the task is, for its holder. */
const HELD = `
local fence, failures, rest = string.match(redis.call('HGET', KEYS[3], ARGV[1]) or '', '^(%d+)|(%d+)|(.*)$')
local job = string.match(ARGV[1], '^(.*):')
local held = fence == ARGV[2] and redis.call('HGET', KEYS[1], job)`;

/** Plan, failures and places; nothing when the lease is lost. */
const FIND = `
if not held then return {} end
return {held, failures, string.match(rest, '|(.*)$')}`;

/** ARGV 3: until when. */
const EXTEND = `
if not held then return 0 end
redis.call('ZADD', KEYS[2], ARGV[3], ARGV[1])
return 1`;

/** ARGV 3–4: when again, why. */
const FAIL = `
if not held then return 0 end
redis.call('HSET', KEYS[3], ARGV[1], '0|' .. (failures + 1) .. '|' .. rest)
redis.call('ZADD', KEYS[2], ARGV[3], ARGV[1])
redis.call('HINCRBY', KEYS[1], job .. ':failures', 1)
redis.call('HSET', KEYS[1], job .. ':problem', ARGV[4])
return 1`;

/** How many are left, -1 when the lease is lost. */
const FINISH = `
if not held then return -1 end
redis.call('HSET', KEYS[3], ARGV[1], 'done')
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('HINCRBY', KEYS[1], job .. ':bytes', string.match(rest, '^(%d+)'))
redis.call('HDEL', KEYS[1], job .. ':problem')
return redis.call('HINCRBY', KEYS[1], job .. ':left', -1)`;

export const JOBS = {
  put: script(CLEAR, PUT),
  mend: script(MEND),
  lease: script(LEASE),
  find: script(HELD, FIND),
  extend: script(HELD, EXTEND),
  fail: script(HELD, FAIL),
  finish: script(HELD, FINISH),
  end: script(CLEAR, "clear(ARGV[1])\nreturn 1"),
};
