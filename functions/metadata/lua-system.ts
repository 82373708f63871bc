/** What the records of the system log change, and the scripts of its index. Common rules: lua.ts. */
import { FENCE, logScripts, script, WHOLE } from "./lua.ts";

/** Secrets of one token that are valid at the same time. */
const SECRETS_MAX = 8;

const SHAPE = "local shape = {{'hash', 'names'}, {'zset', 'names'}, {'hash', 'tokens'}}";

/**
 * ARGV 5: op, then create: id, name, summary (begins with the id; the third word is the block) · delete: id, time, who (no spaces) ·
 * restore, rename: id, name · purge: id · block, unblock: id, the summary's new block · token.create: id, hash, entry ·
 * token.rotate: id, hash, until when the old secrets may live, time · token.revoke: id, time · key.add, user.grant: id, entry ·
 * key.revoke, user.revoke: id, time · policies, hooks: JSON · promote: JSON.
 *
 * Invariants: an id is living, in the trash, or neither; ids and living names map one to one; `m:<name>` is there for names that are
 * nobody's now and were a renamed repository's before; `b:<id>` is there exactly for summaries with a block; a token's first revocation
 * stays; every secret of a token is a field `h:`, and nothing else is; a secret's end never moves later. A repository that can't be where
 * the record takes it from stays where it is. Times are compared as texts.
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
  redis.call('HDEL', names, 'm:' .. name)
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
  redis.call('HDEL', names, 'b:' .. id)
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
change['repository.rename'] = function()
  local name, summary = take(id)
  if name then
    redis.call('HSET', names, 'm:' .. name, id)
    put(ARGV[7], summary)
  end
  mark('names', names, order)
end
change['repository.purge'] = function()
  if takeFromTrash() then redis.call('HDEL', names, 'b:' .. id) end
  mark('names', names, order)
end
change['repository.block'] = function()
  local name = redis.call('HGET', names, 'i:' .. id)
  if name then
    local first, last = string.match(redis.call('HGET', names, 'n:' .. name), '^([^ ]+ [^ ]+ )[^ ]+( .*)$')
    redis.call('HSET', names, 'n:' .. name, first .. ARGV[7] .. last)
    if ARGV[5] == 'repository.block' then
      redis.call('HSET', names, 'b:' .. id, ARGV[1])
    else
      redis.call('HDEL', names, 'b:' .. id)
    end
  end
  mark('names', names, order)
end
change['repository.unblock'] = change['repository.block']

local function secretsOf(entry)
  return string.gmatch(string.match(entry, '^[^|]*|[^|]*|([^|]*)'), '([^ :]+):([^ ]*)')
end

change['token.create'] = function()
  local entry = redis.call('HGET', tokens, 't:' .. id)
  if entry then
    for hash in secretsOf(entry) do redis.call('HDEL', tokens, 'h:' .. hash) end
  else
    redis.call('HSET', tokens, 'k:' .. redis.call('HINCRBY', tokens, 'count', 1), id)
  end
  redis.call('HSET', tokens, 't:' .. id, '||' .. ARGV[7] .. ':|' .. ARGV[8], 'h:' .. ARGV[7], id)
  mark('tokens', tokens)
end
change['token.rotate'] = function()
  local entry = redis.call('HGET', tokens, 't:' .. id)
  if entry then
    local revoked, rest = string.match(entry, '^([^|]*)|[^|]*|[^|]*(|.*)$')
    local secrets = {ARGV[7] .. ':'}
    for hash, till in secretsOf(entry) do
      if till == '' or till > ARGV[8] then till = ARGV[8] end
      if till > ARGV[9] and #secrets < ${SECRETS_MAX} and hash ~= ARGV[7] then
        secrets[#secrets + 1] = hash .. ':' .. till
      else
        redis.call('HDEL', tokens, 'h:' .. hash)
      end
    end
    redis.call('HSET', tokens, 't:' .. id, revoked .. '|' .. ARGV[9] .. '|' .. table.concat(secrets, ' ') .. rest, 'h:' .. ARGV[7], id)
  end
  mark('tokens', tokens)
end
change['token.revoke'] = function()
  local entry = redis.call('HGET', tokens, 't:' .. id)
  if entry and string.sub(entry, 1, 1) == '|' then redis.call('HSET', tokens, 't:' .. id, ARGV[7] .. entry) end
  mark('tokens', tokens)
end

change['key.add'] = function() redis.call('HSETNX', KEYS[1], 'K:' .. id, ARGV[7]) end
change['key.revoke'] = function() redis.call('HSETNX', KEYS[1], 'X:' .. id, ARGV[7]) end
change['user.grant'] = function() note('G:' .. id, ARGV[7]) end
change['user.revoke'] = function() redis.call('HDEL', KEYS[1], 'G:' .. id) end
change['policies'] = function() note('policies', ARGV[6]) end
change['hooks'] = function() note('hooks', ARGV[6]) end
change['promote'] = function() note('home', ARGV[6]) end`;

/** KEYS: head, tokens. ARGV: hash of a secret, the fence. The entry of its token, or nil. */
const TOKEN = `
local expected = whole('tokens')
local found, id = unpack(redis.call('HMGET', KEYS[2], '#', 'h:' .. ARGV[1]))
if not expected or found ~= expected then return {'rebuilding'} end
return {'whole', id and redis.call('HGET', KEYS[2], 't:' .. id)}`;

/** KEYS: head. Field and value of all keys, revocations and grants, in no order. */
const DIRECTORY = `
local fields = redis.call('HGETALL', KEYS[1])
local answer, head = {'whole'}, {}
for i = 1, #fields, 2 do
  head[fields[i]] = fields[i + 1]
  if string.match(fields[i], '^[KXG]:') then
    answer[#answer + 1] = fields[i]
    answer[#answer + 1] = fields[i + 1]
  end
end
if behind(head.seq, head.replayTo) then return {'rebuilding'} end
return answer`;

/** KEYS: head. ARGV: the fence. Policies and the promoted home, each JSON or nil. */
const STANDING = `
local seq, replayTo, policies, home = unpack(redis.call('HMGET', KEYS[1], 'seq', 'replayTo', 'policies', 'home'))
if behind(seq, replayTo) then return {'rebuilding'} end
return {'whole', policies, home}`;

/** KEYS: head. ARGV: the fence. JSON or nil. */
const READ_HOOKS = `
local seq, replayTo, hooks = unpack(redis.call('HMGET', KEYS[1], 'seq', 'replayTo', 'hooks'))
if behind(seq, replayTo) then return {'rebuilding'} end
return {'whole', hooks}`;

export const SYSTEM = {
  ...logScripts(SHAPE, CHANGE),
  token: script(WHOLE, TOKEN),
  directory: script(FENCE, DIRECTORY),
  standing: script(FENCE, STANDING),
  hooks: script(FENCE, READ_HOOKS),
};
