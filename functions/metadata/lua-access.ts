/** Scripts of what is known about callers: last uses, short tokens, meters. Common rules: lua.ts. */
import { script } from "./lua.ts";

/** KEYS: uses. ARGV: token, now, the time before which a new note is worth a write. Invariant: one write for each token and hour. */
const NOTE = `
if tonumber(redis.call('HGET', KEYS[1], ARGV[1]) or '0') > tonumber(ARGV[3]) then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return 1`;

/**
 * KEYS: buckets. ARGV: now, then for each bucket: units a minute, least, most. Answers for each: taken, left, milliseconds until the least
 * is there, milliseconds until it is full.
 *
 * A bucket is kept as the time at which it will be full: it holds a minute's units, so what is left follows from that. Clocks that differ
 * move it by as much; a time that no clock but a wrong one can have written counts as none.
 * Invariant: all take, or none; nothing is kept longer than a minute after what was taken.
 */
const TAKE = `
local now = tonumber(ARGV[1])
local fulls, takes, steps, answer, enough = {}, {}, {}, {}, true
for i, key in ipairs(KEYS) do
  local rate, least, most = tonumber(ARGV[3 * i - 1]), tonumber(ARGV[3 * i]), tonumber(ARGV[3 * i + 1])
  local busy = tonumber(redis.call('GET', key) or now) - now
  if busy < 0 or busy > ${10 * 60_000} then busy = 0 end
  local room = math.floor((60000 - busy) * rate / 60000 + 0.000001)
  local need = math.min(least, rate)
  local wait = 0
  if room < need then
    enough = false
    wait = math.ceil(busy + need * 60000 / rate - 60000)
  end
  steps[i], fulls[i], takes[i] = 60000 / rate, busy, math.max(need, math.min(most, room))
  answer[#answer + 1] = {0, math.max(room, 0), wait, math.ceil(busy)}
end
if not enough then return answer end
for i, key in ipairs(KEYS) do
  local busy = fulls[i] + takes[i] * steps[i]
  redis.call('SET', key, string.format('%.3f', now + busy), 'PX', math.ceil(busy))
  answer[i] = {takes[i], math.max(answer[i][2] - takes[i], 0), 0, math.ceil(busy)}
end
return answer`;

export const ACCESS = { note: script(NOTE), take: script(TAKE), short: script("return redis.call('GET', KEYS[1])") };
