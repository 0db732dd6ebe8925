-- Takes published events off the timeline. If the instance's lease has ended it does nothing, because its partitions may
-- belong to other instances by now.
-- KEYS: instances, timeline
-- ARGV: instance, channel of published events, '1' if somebody is known to listen to it at another server, a range of due times
--       (from, before), number of published events in the range, members of those outside of it...
-- Returns 1; 0 if the lease has ended; -1, and does nothing, if the range has other events too.
local instance, channel, is_heard, from, before = ARGV[1], ARGV[2], ARGV[3] == '1', ARGV[4], '(' .. ARGV[5]
local count, first_member = tonumber(ARGV[6]), 7
if not redis.call('ZSCORE', KEYS[1], instance) then return 0 end
if count > 0 and redis.call('ZCOUNT', KEYS[2], from, before) ~= count then return -1 end
local members
if is_heard or redis.call('PUBSUB', 'NUMSUB', channel)[2] > 0 then
  members = count > 0 and redis.call('ZRANGEBYSCORE', KEYS[2], from, before) or {}
  for i = first_member, #ARGV do members[#members + 1] = ARGV[i] end
end
if count > 0 then redis.call('ZREMRANGEBYSCORE', KEYS[2], from, before) end
-- In parts, because unpack() can return only so many values.
for i = first_member, #ARGV, 1000 do redis.call('ZREM', KEYS[2], unpack(ARGV, i, math.min(i + 999, #ARGV))) end
if members then redis.call('PUBLISH', channel, cjson.encode(members)) end
return 1
