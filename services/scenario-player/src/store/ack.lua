-- Takes published events off the timeline. If the instance's lease has ended it does nothing, because its partitions may
-- belong to other instances by now.
-- KEYS: instances, timeline
-- ARGV: instance, channel of published events, members...
-- Returns 1, or 0 if the lease has ended.
local instance, channel = ARGV[1], ARGV[2]
if not redis.call('ZSCORE', KEYS[1], instance) then return 0 end
-- In parts, because unpack() can return only so many values.
for i = 3, #ARGV, 1000 do redis.call('ZREM', KEYS[2], unpack(ARGV, i, math.min(i + 999, #ARGV))) end
if redis.call('PUBSUB', 'NUMSUB', channel)[2] > 0 then
  local members = {}
  for i = 3, #ARGV do members[i - 2] = ARGV[i] end
  redis.call('PUBLISH', channel, cjson.encode(members))
end
return 1
