/** What the records of a repository's log change, and the scripts of its index. Common rules: lua.ts. */
import { FENCE, logScripts, script } from "./lua.ts";

const SHAPE = "local shape = {{'hash', 'revisions'}, {'zset', 'revisions'}}";

/**
 * ARGV 5: op, then commit: branch, revision, entry, seq as 12 digits, attempt, sizeBytes, newBytes, newChunks, stores · tag: tag,
 * revision · untag, lock, unlock: tag · unbranch: branch · label: revision, line, stores · adopt: revision, attempt · sign: manifest, key, line · settings: text · delete, undelete, purge: time or '', revisions
 * (at most 1,000, each once) · end: nothing.
 *
 * What a script needs of an entry is its first line (codec.ts): since when it is in the trash, its place in the order, its attempt, what
 * it counts for. Label replaces the second line. Revisions that are not where the record takes them from stay as they are.
 *
 * Invariants: refs, seq, counts and usage change together with the history that they are about; an envelope's fate stays when its
 * revision is purged, until the repository is.
 */
const CHANGE = `
local head, revisions, order = unpack(KEYS)
local name = ARGV[6]

local function use(sizeBytes, newBytes, newChunks)
  local logical, stored, objects = string.match(redis.call('HGET', head, 'usage') or '0 0 0', '^(%S+) (%S+) (%S+)$')
  note('usage', string.format('%.0f %.0f %.0f', logical + sizeBytes, stored + newBytes, objects + newChunks))
end

-- Stores that its labels ask for a revision in.
local function deploy(revision, stores)
  if stores == '' then redis.call('HDEL', head, 'd:' .. revision) else note('d:' .. revision, stores) end
end

-- Envelopes, and for each the seq of the record that names it and of this one, which ends it.
local function ended(envelopes)
  local fates, named = {}, redis.call('HMGET', revisions, unpack(envelopes))
  for i, envelope in ipairs(envelopes) do
    fates[2 * i - 1] = envelope
    fates[2 * i] = (string.match(named[i] or '', '^%d+') or '0') .. ' ' .. ARGV[1]
  end
  return fates
end

local function named()
  local entries = redis.call('HMGET', revisions, unpack(ARGV, 7))
  local i = 0
  return function()
    i = i + 1
    return ARGV[6 + i], entries[i] or ''
  end
end

local function move(deletedAt)
  local count, fields = 0, {}
  for revision, entry in named() do
    local was, rest = string.match(entry, '^([^ ]*)( .*)$')
    if was and (was == '') ~= (deletedAt == '') then
      fields[#fields + 1] = revision
      fields[#fields + 1] = deletedAt .. rest
      count = count + 1
    end
  end
  if count > 0 then
    redis.call('HSET', revisions, unpack(fields))
    redis.call('HINCRBY', head, 'revisionCount', deletedAt == '' and count or -count)
  end
  mark('revisions', revisions, order)
end

local change = {}
change['commit'] = function()
  if redis.call('HSETNX', revisions, ARGV[7], ARGV[8]) == 1 then
    local place = ':' .. ARGV[9] .. ':' .. ARGV[7]
    redis.call('ZADD', order, 0, place, 0, name .. place)
    redis.call('HSET', revisions, 'e:' .. ARGV[10], ARGV[9])
    redis.call('HINCRBY', head, 'revisionCount', 1)
    use(tonumber(ARGV[11]), tonumber(ARGV[12]), tonumber(ARGV[13]))
    deploy(ARGV[7], ARGV[14])
  end
  note('b:' .. name, ARGV[7])
  mark('revisions', revisions, order)
end
change['tag'] = function() note('t:' .. name, ARGV[7] .. ':' .. ARGV[1]) end
change['untag'] = function() redis.call('HDEL', head, 't:' .. name) end
change['lock'] = function() note('l:' .. name, ARGV[1]) end
change['unlock'] = function() redis.call('HDEL', head, 'l:' .. name) end
change['unbranch'] = function() redis.call('HDEL', head, 'b:' .. name) end
change['label'] = function()
  local entry = redis.call('HGET', revisions, name)
  if entry then
    local first = string.find(entry, '\\n', 1, true)
    local second = string.find(entry, '\\n', first + 1, true)
    redis.call('HSET', revisions, name, string.sub(entry, 1, first) .. ARGV[7] .. string.sub(entry, second))
    deploy(name, ARGV[8])
  end
  mark('revisions', revisions, order)
end
change['adopt'] = function()
  local before, old, after = string.match(redis.call('HGET', revisions, name) or '', '^([^ ]* %d+ )(%S+)(.*)$')
  if old then
    redis.call('HSET', revisions, name, before .. ARGV[7] .. after, 'e:' .. ARGV[7], ARGV[1], unpack(ended({'e:' .. old})))
  end
  mark('revisions', revisions, order)
end
change['sign'] = function()
  local lines = redis.call('HGET', revisions, 's:' .. name) or ''
  if not string.find('\\n' .. lines, '\\n' .. ARGV[7] .. ' ', 1, true) then
    redis.call('HSET', revisions, 's:' .. name, lines .. ARGV[7] .. ' ' .. ARGV[8] .. '\\n')
  end
  mark('revisions', revisions, order)
end
change['settings'] = function() note('settings', name) end
change['delete'] = function() move(name) end
change['undelete'] = function() move('') end
change['purge'] = function()
  local gone, places, envelopes, deploys, sizeBytes, newBytes, newChunks = {}, {}, {}, {}, 0, 0, 0
  for revision, entry in named() do
    local seq, attempt, size, bytes, chunks, branch = string.match(entry, '^[^ ]+ (%d+) (%S+) (%S+) (%S+) (%S+) (%S+)')
    if seq then
      local place = ':' .. seq .. ':' .. revision
      gone[#gone + 1] = revision
      places[#places + 1] = place
      places[#places + 1] = branch .. place
      envelopes[#envelopes + 1] = 'e:' .. attempt
      deploys[#deploys + 1] = 'd:' .. revision
      sizeBytes, newBytes, newChunks = sizeBytes + size, newBytes + bytes, newChunks + chunks
    end
  end
  if #gone > 0 then
    redis.call('HDEL', revisions, unpack(gone))
    redis.call('ZREM', order, unpack(places))
    redis.call('HSET', revisions, unpack(ended(envelopes)))
    redis.call('HDEL', head, unpack(deploys))
    use(-sizeBytes, -newBytes, -newChunks)
  end
  mark('revisions', revisions, order)
end
change['end'] = function()
  redis.call('UNLINK', revisions, order)
  local gone = {'settings', 'usage', 'revisionCount'}
  for _, field in ipairs(redis.call('HKEYS', head)) do
    if string.match(field, '^[btld]:') then gone[#gone + 1] = field end
  end
  for from = 1, #gone, 4000 do redis.call('HDEL', head, unpack(gone, from, math.min(from + 3999, #gone))) end
  note('ended', ARGV[1])
  mark('revisions', revisions, order)
end`;

/** ARGV: a name. The revision of that branch, else of that tag, else nil. The head alone knows all refs, so only it must be whole. */
const RESOLVE = `
local seq, replayTo, branch, tag = unpack(redis.call('HMGET', KEYS[1], 'seq', 'replayTo', 'b:' .. ARGV[1], 't:' .. ARGV[1]))
if behind(seq, replayTo) then return {'rebuilding'} end
return {'whole', branch or (tag and string.sub(tag, 1, 40))}`;

/** Field and value of all that the head holds but the ring, in no order. As large as the repository has refs. */
const STATE = `
local fields = redis.call('HGETALL', KEYS[1])
local answer, head = {'whole'}, {}
for i = 1, #fields, 2 do
  if not string.match(fields[i], '^r%d') then
    answer[#answer + 1] = fields[i]
    answer[#answer + 1] = fields[i + 1]
    head[fields[i]] = fields[i + 1]
  end
end
if behind(head.seq, head.replayTo) then return {'rebuilding'} end
return answer`;

/** KEYS: head, revisions. ARGV: attempt. Seq that ended the repository or nil, and what is known of the envelope or nil. */
const FATE = `
local seq, replayTo, expected, ended = unpack(redis.call('HMGET', KEYS[1], 'seq', 'replayTo', 'mark:revisions', 'ended'))
local found, fate = unpack(redis.call('HMGET', KEYS[2], '#', 'e:' .. ARGV[1]))
if behind(seq, replayTo) or found ~= expected then return {'rebuilding'} end
return {'whole', ended, fate}`;

export const REPOSITORY = {
  ...logScripts(SHAPE, CHANGE),
  resolve: script(FENCE, RESOLVE),
  state: script(FENCE, STATE),
  fate: script(FENCE, FATE),
};
