-- Reads what is due soon and takes nothing away. The time is the server's.
-- KEYS: timeline, meta   ARGV: from (ms), horizon (ms), limit, start (ms)
-- -> now (ms), count of changes, when the first of all since the start was or is due or '', when the next after these is
--    due or '', { member, score, ... }
local t = redis.call('TIME')
local now = t[1] * 1000 + t[2] / 1000
local soon = string.format('%.0f', now + ARGV[2])
local events = redis.call('ZRANGEBYSCORE', KEYS[1], ARGV[1], soon, 'WITHSCORES', 'LIMIT', 0, ARGV[3])
local first = redis.call('ZRANGEBYSCORE', KEYS[1], ARGV[4], '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
local after = {}
if #events < 2 * ARGV[3] then after = redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. soon, '+inf', 'WITHSCORES', 'LIMIT', 0, 1) end
return { string.format('%.3f', now), redis.call('HGET', KEYS[2], 'changes') or '0', first[2] or '', after[2] or '', events }
