/** What the records of the system log change, and the scripts of its index. Common rules: lua.ts. */
import { logScripts } from "./lua.ts";

const SHAPE = "local shape = {{'hash', 'names'}, {'zset', 'names'}, {'hash', 'tokens'}}";

/**
 * ARGV 5: op, then create: id, name, summary (begins with the id) · delete: id, time, who (no spaces) · restore: id, name · purge: id ·
 * token.create: id, hash, entry · token.revoke: id, time.
 *
 * Invariants: an id is living, in the trash, or neither; ids and living names map one to one; a token's first revocation stays (its time
 * stands before the entry's '|'). A repository that can't be where the record takes it from stays where it is.
 */
const CHANGE = `
local _, names, order, tokens = unpack(KEYS)
local id = ARGV[6]

local function take(one)
  local name = redis.call('HGET', names, 'i:' .. one)
  if not name then return nil end
  local summary = redis.call('HGET', names, 'n:' .. name)
  redis.call('HDEL', names, 'i:' .. one, 'n:' .. name)
  redis.call('ZREM', order, 'n:' .. name)
  return name, summary
end

local function put(name, summary)
  local taken = redis.call('HGET', names, 'n:' .. name)
  if taken then take(string.sub(taken, 1, 16)) end
  redis.call('HSET', names, 'i:' .. id, name, 'n:' .. name, summary)
  redis.call('ZADD', order, 0, 'n:' .. name)
end

local function takeFromTrash()
  local entry = redis.call('HGET', names, 't:' .. id)
  redis.call('HDEL', names, 't:' .. id)
  redis.call('ZREM', order, 't:' .. id)
  return entry
end

local change = {}
change['repository.create'] = function()
  take(id)
  takeFromTrash()
  put(ARGV[7], ARGV[8])
  mark('names', names, order)
end
change['repository.delete'] = function()
  local name, summary = take(id)
  if name then
    redis.call('HSET', names, 't:' .. id, ARGV[7] .. ' ' .. ARGV[8] .. ' ' .. name .. ' ' .. summary)
    redis.call('ZADD', order, 0, 't:' .. id)
  end
  mark('names', names, order)
end
change['repository.restore'] = function()
  local entry = takeFromTrash()
  if entry then put(ARGV[7], string.match(entry, '^[^ ]+ [^ ]+ [^ ]+ (.*)$')) end
  mark('names', names, order)
end
change['repository.purge'] = function()
  takeFromTrash()
  mark('names', names, order)
end
change['token.create'] = function()
  redis.call('HSET', tokens, 'i:' .. id, ARGV[7])
  if redis.call('HSET', tokens, 'h:' .. ARGV[7], '|' .. ARGV[8]) == 1 then
    redis.call('HSET', tokens, 'k:' .. redis.call('HINCRBY', tokens, 'count', 1), ARGV[7])
  end
  mark('tokens', tokens)
end
change['token.revoke'] = function()
  local hash = redis.call('HGET', tokens, 'i:' .. id)
  local entry = hash and redis.call('HGET', tokens, 'h:' .. hash)
  if entry and string.sub(entry, 1, 1) == '|' then redis.call('HSET', tokens, 'h:' .. hash, ARGV[7] .. entry) end
  mark('tokens', tokens)
end`;

export const SYSTEM = logScripts(SHAPE, CHANGE);
