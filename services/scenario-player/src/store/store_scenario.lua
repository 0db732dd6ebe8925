-- Stores the steps of a scenario and its playback, all at once: nobody reads half of a list.
-- KEYS: scenario, playback, scenarios, loops
-- ARGV: customer, playback, time of the post (ms), '1' if the steps replace the stored ones, then the steps
local customer, playback, posted_ms, replaces = ARGV[1], ARGV[2], ARGV[3], ARGV[4] == '1'
if replaces then redis.call('DEL', KEYS[1]) end
-- In parts, because unpack() can return only so many values.
for i = 5, #ARGV, 1000 do redis.call('RPUSH', KEYS[1], unpack(ARGV, i, math.min(i + 999, #ARGV))) end
redis.call('SET', KEYS[2], playback)
redis.call('ZADD', KEYS[3], posted_ms, customer)
redis.call('ZREM', KEYS[4], customer)
