-- An instance has nothing to do any more: its lanes are free at once.
-- KEYS: instances, lanes   ARGV: channel, instance
local lanes = redis.call('HGETALL', KEYS[2])
for i = 1, #lanes, 2 do if lanes[i + 1] == ARGV[2] then redis.call('HDEL', KEYS[2], lanes[i]) end end
if redis.call('ZREM', KEYS[1], ARGV[2]) == 1 then redis.call('PUBLISH', ARGV[1], 'lanes') end
