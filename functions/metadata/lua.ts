/**
 * Scripts, each one atomic step on one index, with the invariant that it keeps. Here: what both logs' indexes share, uploads and leases;
 * what a record changes is in lua-system.ts and lua-repository.ts. Keys and marks are drawn in keys.ts.
 *
 * Common rules: all keys in KEYS, so that Upstash locks only them (first line; other servers get the text without it); commands of
 * Redis 6.2; no cjson (Upstash doesn't document it); `unpack` of at most 4,000 items (it fails near 8,000); safe to run twice.
 * Reads answer {'whole', …} or {'rebuilding'}: nothing is answered, and above all no absence, from a key that is not as the head
 * expects it, or before the running replay is done.
 */
import { EVENTS_KEPT, NEWS_SECONDS } from "../registry/events/ports.ts";

/** Lua's `unpack` and one command's arguments stay below this. */
export const ITEMS_MAX = 4_000;

/**
 * sound(): seq, hash and replayTo of an index of which every key is as the head expects it; nil of any other.
 * `shape` tells KEYS[2…] of an index in order: kind, and whose mark it carries.
 */
const SOUND = `
local function sound()
  local fields = {'seq', 'hash', 'replayTo'}
  for i, part in ipairs(shape) do fields[i + 3] = 'mark:' .. part[2] end
  local head = redis.call('HMGET', KEYS[1], unpack(fields))
  for i, part in ipairs(shape) do
    local mark = head[i + 3]
    if not mark then return nil end
    if part[1] == 'hash' and redis.call('HGET', KEYS[i + 1], '#') ~= mark then return nil end
    if part[1] == 'zset' and not redis.call('ZSCORE', KEYS[i + 1], '!' .. mark) then return nil end
  end
  return tonumber(head[1]), head[2], tonumber(head[3])
end`;

/**
 * behind(seq, replayTo): whether a head is missing, is being replayed, or is older than the reader knows the log to be. The last ARGV of
 * every read is that fence: an index may go back to what it was between two reads, and then says nothing (test/models/log-model.ts).
 */
export const FENCE = `
local function behind(seq, replayTo)
  return not seq or tonumber(replayTo) > tonumber(seq) or tonumber(seq) < tonumber(ARGV[#ARGV])
end`;

/** whole(name): the mark that the head expects of a key; nil while the head is behind. */
export const WHOLE = `
${FENCE.trim()}

local function whole(name)
  local seq, replayTo, mark = unpack(redis.call('HMGET', KEYS[1], 'seq', 'replayTo', 'mark:' .. name))
  if behind(seq, replayTo) then return nil end
  return mark
end`;

/** {'whole', seq, hash} of an index that is whole, else {'rebuilding'}. Invariant: what is not complete to its last key is no index. */
const HEAD = `
local seq, hash, replayTo = sound()
if not seq or seq < replayTo then return {'rebuilding'} end
return {'whole', seq, hash}`;

/**
 * ARGV: seq of the log's tail. Drops what is not sound and starts an empty index there; what is sound stays, also a running replay, so
 * two replayers help one another. Answers seq and hash that it then is at. Invariant: until the tail is applied, no read answers.
 */
const BEGIN = `
local seq, hash, replayTo = sound()
if not seq then
  redis.call('UNLINK', unpack(KEYS))
  redis.call('HSET', KEYS[1], 'seq', 0, 'hash', '', 'replayTo', ARGV[1])
  for i, part in ipairs(shape) do
    redis.call('HSET', KEYS[1], 'mark:' .. part[2], 0)
    if part[1] == 'hash' then redis.call('HSET', KEYS[i + 1], '#', 0) else redis.call('ZADD', KEYS[i + 1], 0, '!0') end
  end
elseif tonumber(ARGV[1]) > replayTo then
  redis.call('HSET', KEYS[1], 'replayTo', ARGV[1])
end
return {'whole', seq or 0, hash or ''}`;

/**
 * The last of KEYS is the feed, the last of ARGV what the record tells there (newsOf), or nothing. Both are taken away first, so what
 * follows sees the index's own keys only. Told in the step that applies the record: never without it, and once.
 */
const NEWS = `
local stream, told, what = table.remove(KEYS), string.match(table.remove(ARGV), '^(%d+)|(.*)$')`;

/**
 * ARGV 1–4: seq, hash of the record before ('' for none), the record's own hash, operation id; the rest is the record. What a record
 * changes is written between admit() and advance(); note() keeps a field of the head for advance(), mark() marks what was changed.
 *
 * Invariant: the index is exactly records 1 to seq of one log. A record that is not newer is skipped, one beyond the next is refused,
 * and one that contradicts what was applied shows that the index followed another log (a restored bucket): the index is dropped.
 */
const ADMIT = `
local function admit()
  local seq, hash = sound()
  if not seq then return 'rebuilding' end
  local ours = tonumber(ARGV[1])
  if (ours == seq and ARGV[3] ~= hash) or (ours == seq + 1 and ARGV[2] ~= hash) then
    redis.call('UNLINK', unpack(KEYS))
    return 'rebuilding'
  end
  if ours > seq + 1 then return 'rebuilding' end
  if ours <= seq then return 'whole' end
  return nil
end

local news = {'seq', ARGV[1], 'hash', ARGV[3], 'r' .. (tonumber(ARGV[1]) % 256), ARGV[1] .. ':' .. ARGV[4]}
local function note(field, value)
  news[#news + 1] = field
  news[#news + 1] = value
end

local function mark(name, hashKey, zsetKey)
  if zsetKey then
    redis.call('ZREM', zsetKey, '!' .. redis.call('HGET', KEYS[1], 'mark:' .. name))
    redis.call('ZADD', zsetKey, 0, '!' .. ARGV[1])
  end
  redis.call('HSET', hashKey, '#', ARGV[1])
  note('mark:' .. name, ARGV[1])
end

local function advance()
  redis.call('HSET', KEYS[1], unpack(news))
  if tonumber(told or 0) + ${NEWS_SECONDS} > tonumber(redis.call('TIME')[1]) then
    redis.call('XADD', stream, 'MAXLEN', '~', ${EVENTS_KEPT}, '*', 'e', what)
  end
  return {'whole'}
end`;

/** change[op]: what lua-system.ts and lua-repository.ts make of the record. */
const APPLY = `
local answer = admit()
if answer then return {answer} end
change[ARGV[5]]()
return advance()`;

/** KEYS: head, hash. ARGV: mark, fields. One value or nil for each field. */
const FIELDS = `
local expected = whole(ARGV[1])
local values = redis.call('HMGET', KEYS[2], '#', unpack(ARGV, 2, #ARGV - 1))
if not expected or values[1] ~= expected then return {'rebuilding'} end
values[1] = 'whole'
return values`;

/**
 * KEYS: head, zset, hash. ARGV: mark, ZRANGEBYLEX or ZREVRANGEBYLEX, first, last, limit, where in a member the hash's field begins.
 * Field and value, in order. A member without its entry is damage.
 */
const PAGE = `
local expected = whole(ARGV[1])
if not expected or not redis.call('ZSCORE', KEYS[2], '!' .. expected) then return {'rebuilding'} end
local fields = {'#'}
for _, member in ipairs(redis.call(ARGV[2], KEYS[2], ARGV[3], ARGV[4], 'LIMIT', 0, ARGV[5])) do
  fields[#fields + 1] = string.sub(member, ARGV[6])
end
local values = redis.call('HMGET', KEYS[3], unpack(fields))
if values[1] ~= expected then return {'rebuilding'} end
local answer = {'whole'}
for i = 2, #fields do
  if not values[i] then return {'rebuilding'} end
  answer[#answer + 1] = fields[i]
  answer[#answer + 1] = values[i]
end
return answer`;

/** ARGV: operation id. Seq of the head, and of the operation's record among the newest 256 or nil. */
const FIND_OPERATION = `
local fields = {'seq', 'replayTo'}
for slot = 0, 255 do fields[#fields + 1] = 'r' .. slot end
local values = redis.call('HMGET', KEYS[1], unpack(fields))
if behind(values[1], values[2]) then return {'rebuilding'} end
for i = 3, #fields do
  local seq, id = string.match(values[i] or '', '^(%d+):(.*)$')
  if id == ARGV[1] then return {'whole', values[1], seq} end
end
return {'whole', values[1], false}`;

/** KEYS: shard of the chunk index. Invariant: an entry that is there stays. */
const ADD_MISSING = `
local added = 0
for i = 1, #ARGV, 2 do added = added + redis.call('HSETNX', KEYS[1], ARGV[i], ARGV[i + 1]) end
return added`;

/** KEYS: proofs, recipes. ARGV: lifetime in seconds, then as told. Invariant: whatever is stored of an upload has an end. */
const TOUCH = `
local function touched(answer)
  redis.call('EXPIRE', KEYS[1], ARGV[1])
  redis.call('EXPIRE', KEYS[2], ARGV[1])
  return answer
end`;

const REMEMBER = `
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', ARGV[5])
local known = redis.call('ZSCORE', KEYS[2], ARGV[3])
if not known and redis.call('ZCARD', KEYS[2]) >= tonumber(ARGV[6]) then return 0 end
redis.call('ZADD', KEYS[2], ARGV[4], ARGV[3])
redis.call('EXPIRE', KEYS[2], ARGV[1])
redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[1])
return 1`;

/** KEYS: lease, fence. Value of a lease: <number>:<owner>. Invariant: one owner at a time, and each new claim has a higher number. */
const HELD = `
local held = redis.call('GET', KEYS[1])
local number, owner = string.match(held or '', '^(%d+):(.*)$')`;

/** ARGV: owner, milliseconds. The claim's number; 0 while another owner holds it. An owner who asks again extends the claim it has. */
const ACQUIRE = `
if held and owner ~= ARGV[1] then return 0 end
number = number or redis.call('INCR', KEYS[2])
redis.call('SET', KEYS[1], number .. ':' .. ARGV[1], 'PX', ARGV[2])
return tonumber(number)`;

/** ARGV: owner. 1 if it held the lease. */
const RELEASE = `
if not held or owner ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])`;

/** KEYS: note. ARGV: expected ('' for none), text. 1 when the note says `text` now, also when this is sent twice. */
const SWAP = `
local said = redis.call('GET', KEYS[1]) or ''
if said ~= ARGV[1] and said ~= ARGV[2] then return 0 end
redis.call('SET', KEYS[1], ARGV[2])
return 1`;

/** The scripts of a log's index, by its shape and what its records change. */
export function logScripts(shape: string, change: string) {
  return { head: script(shape, SOUND, HEAD), begin: script(shape, SOUND, BEGIN), apply: script(NEWS, shape, SOUND, ADMIT, change, APPLY) };
}
export const INDEX = { fields: script(WHOLE, FIELDS), page: script(WHOLE, PAGE), findOperation: script(FENCE, FIND_OPERATION) };
/** ARGV: digest, entry, … How many were added. */
export const CHUNKS = { addMissing: script(ADD_MISSING) };
export const UPLOAD = {
  /** ARGV: digests. */
  proofs: script(TOUCH, "return touched(redis.call('HMGET', KEYS[1], unpack(ARGV, 2)))"),
  /** ARGV: digest, proof, … */
  record: script(TOUCH, "return touched(redis.call('HSET', KEYS[1], unpack(ARGV, 2)))"),
  /** ARGV: digests. */
  addRecipes: script(TOUCH, "return touched(redis.call('SADD', KEYS[2], unpack(ARGV, 2)))"),
  /**
   * KEYS: the upload of a branch, all that its principal began. ARGV: lifetime in seconds, upload, member, now, before when others no
   * longer count, how many may be open. 1, or 0 when there are too many. Invariant: what is not counted any more is not kept either.
   */
  remember: script(REMEMBER),
  /** ARGV: digests. 1 or 0 for each. */
  hasRecipes: script(TOUCH, "return touched(redis.call('SMISMEMBER', KEYS[2], unpack(ARGV, 2)))"),
};
export const NOTE = { read: script("return redis.call('GET', KEYS[1])"), swap: script(SWAP) };
export const LEASE = { acquire: script(HELD, ACQUIRE), release: script(HELD, RELEASE) };

export function script(...parts: string[]): string {
  return ["#!lua flags=allow-key-locking", ...parts.map((part) => part.trim()), ""].join("\n");
}
