-- KEYS: 1 sessions to be cleaned up   ARGV: 1 lease (ms), 2 count
-- Returns tokens of committed sessions whose records may go. If they have not gone within a lease, they are given out again.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local tokens = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, ARGV[2])
for _, token in ipairs(tokens) do redis.call('ZADD', KEYS[1], now + ARGV[1], token) end
return tokens
