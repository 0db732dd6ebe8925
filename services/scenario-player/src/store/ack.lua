-- Takes published events off the timeline, unless this instance's lease ran out and others own its lanes by now.
-- KEYS: instances, timeline   ARGV: instance, channel, members...   -> 1, or 0 if the lease is lost
if not redis.call('ZSCORE', KEYS[1], ARGV[1]) then return 0 end
for i = 3, #ARGV, 1000 do redis.call('ZREM', KEYS[2], unpack(ARGV, i, math.min(i + 999, #ARGV))) end
if redis.call('PUBSUB', 'NUMSUB', ARGV[2])[2] > 0 then
  local members = {}
  for i = 3, #ARGV do members[i - 2] = ARGV[i] end
  redis.call('PUBLISH', ARGV[2], cjson.encode(members))
end
return 1
