-- An instance without work leaves. Its partitions are free at once.
-- KEYS: instances, partitions   ARGV: channel of hints, instance
local channel, instance = ARGV[1], ARGV[2]
local owners = redis.call('HGETALL', KEYS[2])
for i = 1, #owners, 2 do
  local partition, owner = owners[i], owners[i + 1]
  if owner == instance then redis.call('HDEL', KEYS[2], partition) end
end
if redis.call('ZREM', KEYS[1], instance) == 1 then redis.call('PUBLISH', channel, 'lanes') end
