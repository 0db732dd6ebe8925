-- Makes dead letters of events. If the instance's lease has ended it does nothing, because its partitions may belong to other
-- instances by now.
-- KEYS: instances, timeline, dead letters
-- ARGV: instance, most dead letters that are kept, then for each event: member, reason
-- Returns 1, or 0 if the lease has ended.
local instance, limit = ARGV[1], ARGV[2]
if not redis.call('ZSCORE', KEYS[1], instance) then return 0 end
for i = 3, #ARGV, 2 do
  local member, reason = ARGV[i], ARGV[i + 1]
  if redis.call('ZREM', KEYS[2], member) == 1 then
    redis.call('XADD', KEYS[3], 'MAXLEN', '~', limit, '*', 'member', member, 'reason', reason)
  end
end
return 1
