/**
 * Every script, each one atomic step on one index, with the invariant that it keeps. Keys and marks are drawn in keys.ts.
 *
 * Common rules: all keys in KEYS, so that Upstash locks only them (first line; other servers get the text without it); commands of
 * Redis 6.2; no cjson (Upstash doesn't document it); `unpack` of at most 4,000 items (it fails near 8,000); safe to run twice.
 * Reads answer {'whole', …} or {'rebuilding'}: nothing is answered, and above all no absence, from a key that is not as the head
 * expects it, or before the running replay is done.
 */

/** Lua's `unpack` and one command's arguments stay below this. */
export const ITEMS_MAX = 4_000;

/** KEYS[2…] of each index in order: kind, and whose mark it carries. */
const SYSTEM_SHAPE = "local shape = {{'hash', 'names'}, {'zset', 'names'}, {'hash', 'tokens'}}";
const REPOSITORY_SHAPE = "local shape = {{'hash', 'revisions'}, {'zset', 'revisions'}}";

/** sound(): seq, hash and replayTo of an index of which every key is as the head expects it; nil of any other. */
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

/** whole(name): the mark that the head expects of a key; nil while there is no head or a replay is running. */
const WHOLE = `
local function whole(name)
  local seq, replayTo, mark = unpack(redis.call('HMGET', KEYS[1], 'seq', 'replayTo', 'mark:' .. name))
  if not seq or tonumber(replayTo) > tonumber(seq) then return nil end
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
  return {'whole'}
end`;

/**
 * ARGV 5: op, then create: id, name, summary (begins with the id) · delete: id · token.create: id, hash, entry · token.revoke: id, time.
 * Invariants: ids and living names map one to one; a token's first revocation stays (its time stands before the entry's '|').
 */
const APPLY_SYSTEM = `
local _, names, order, tokens = unpack(KEYS)
local op, id = ARGV[5], ARGV[6]

local function remove(gone)
  local name = redis.call('HGET', names, 'i:' .. gone)
  if not name then return end
  redis.call('HDEL', names, 'i:' .. gone, 'n:' .. name)
  redis.call('ZREM', order, 'n:' .. name)
end

local change = {}
change['repository.create'] = function()
  remove(id)
  local taken = redis.call('HGET', names, 'n:' .. ARGV[7])
  if taken then remove(string.sub(taken, 1, 16)) end
  redis.call('HSET', names, 'i:' .. id, ARGV[7], 'n:' .. ARGV[7], ARGV[8])
  redis.call('ZADD', order, 0, 'n:' .. ARGV[7])
  mark('names', names, order)
end
change['repository.delete'] = function()
  remove(id)
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
end

local answer = admit()
if answer then return {answer} end
change[op]()
return advance()`;

/**
 * ARGV 5: op, then commit: branch, revision, entry, seq as 12 digits · tag: tag, revision · untag: tag · unbranch: branch.
 * Invariant: refs, seq and number of revisions change together with the history that they name.
 */
const APPLY_REPOSITORY = `
local head, revisions, order = unpack(KEYS)
local op, name = ARGV[5], ARGV[6]

local change = {}
change['commit'] = function()
  if redis.call('HSETNX', revisions, ARGV[7], ARGV[8]) == 1 then
    local place = ':' .. ARGV[9] .. ':' .. ARGV[7]
    redis.call('ZADD', order, 0, place, 0, name .. place)
    redis.call('HINCRBY', head, 'revisionCount', 1)
  end
  note('b:' .. name, ARGV[7])
  mark('revisions', revisions, order)
end
change['tag'] = function() note('t:' .. name, ARGV[7]) end
change['untag'] = function() redis.call('HDEL', head, 't:' .. name) end
change['unbranch'] = function() redis.call('HDEL', head, 'b:' .. name) end

local answer = admit()
if answer then return {answer} end
change[op]()
return advance()`;

/** KEYS: head, hash. ARGV: mark, fields. One value or nil for each field. */
const FIELDS = `
local expected = whole(ARGV[1])
local values = redis.call('HMGET', KEYS[2], '#', unpack(ARGV, 2))
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

/** ARGV: operation id. Seq of its record among the newest 256, or nil. */
const FIND_OPERATION = `
local fields = {'seq', 'replayTo'}
for slot = 0, 255 do fields[#fields + 1] = 'r' .. slot end
local values = redis.call('HMGET', KEYS[1], unpack(fields))
if not values[1] or tonumber(values[2]) > tonumber(values[1]) then return {'rebuilding'} end
for i = 3, #fields do
  local seq, id = string.match(values[i] or '', '^(%d+):(.*)$')
  if id == ARGV[1] then return {'whole', seq} end
end
return {'whole', false}`;

/** ARGV: a name. The revision of that branch, else of that tag, else nil. The head alone knows all refs, so only it must be whole. */
const RESOLVE = `
local seq, replayTo, branch, tag = unpack(redis.call('HMGET', KEYS[1], 'seq', 'replayTo', 'b:' .. ARGV[1], 't:' .. ARGV[1]))
if not seq or tonumber(replayTo) > tonumber(seq) then return {'rebuilding'} end
return {'whole', branch or tag}`;

/** seq, revisionCount, then b:<branch> or t:<tag> and revision of every ref, in no order. As large as the repository has refs. */
const REFS = `
local fields = redis.call('HGETALL', KEYS[1])
local head, refs = {}, {}
for i = 1, #fields, 2 do
  local kind = string.sub(fields[i], 1, 2)
  if kind == 'b:' or kind == 't:' then
    refs[#refs + 1] = fields[i]
    refs[#refs + 1] = fields[i + 1]
  else
    head[fields[i]] = fields[i + 1]
  end
end
if not head.seq or tonumber(head.replayTo) > tonumber(head.seq) then return {'rebuilding'} end
table.insert(refs, 1, 'whole')
table.insert(refs, 2, head.seq)
table.insert(refs, 3, head.revisionCount or '0')
return refs`;

/** KEYS: proofs, recipes. ARGV: lifetime in seconds, then as told. Invariant: whatever is stored of an upload has an end. */
const TOUCH = `
local function touched(answer)
  redis.call('EXPIRE', KEYS[1], ARGV[1])
  redis.call('EXPIRE', KEYS[2], ARGV[1])
  return answer
end`;

export const SYSTEM = {
  head: script(SYSTEM_SHAPE, SOUND, HEAD),
  begin: script(SYSTEM_SHAPE, SOUND, BEGIN),
  apply: script(SYSTEM_SHAPE, SOUND, ADMIT, APPLY_SYSTEM),
};
export const REPOSITORY = {
  head: script(REPOSITORY_SHAPE, SOUND, HEAD),
  begin: script(REPOSITORY_SHAPE, SOUND, BEGIN),
  apply: script(REPOSITORY_SHAPE, SOUND, ADMIT, APPLY_REPOSITORY),
  resolve: script(RESOLVE),
  refs: script(REFS),
};
export const INDEX = { fields: script(WHOLE, FIELDS), page: script(WHOLE, PAGE), findOperation: script(FIND_OPERATION) };
export const UPLOAD = {
  /** ARGV: digests. */
  proofs: script(TOUCH, "return touched(redis.call('HMGET', KEYS[1], unpack(ARGV, 2)))"),
  /** ARGV: digest, proof, … */
  record: script(TOUCH, "return touched(redis.call('HSET', KEYS[1], unpack(ARGV, 2)))"),
  /** ARGV: digests. */
  addRecipes: script(TOUCH, "return touched(redis.call('SADD', KEYS[2], unpack(ARGV, 2)))"),
  /** ARGV: digests. 1 or 0 for each. */
  hasRecipes: script(TOUCH, "return touched(redis.call('SMISMEMBER', KEYS[2], unpack(ARGV, 2)))"),
};

function script(...parts: string[]): string {
  return ["#!lua flags=allow-key-locking", ...parts.map((part) => part.trim()), ""].join("\n");
}
