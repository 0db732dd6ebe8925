-- Puts dead letters back on the timeline: all that are named, or none.
-- KEYS: timeline, meta, dead letters
-- ARGV: channel of hints, number of dead letters, their ids, then the arguments of add_events
-- Returns 1, or 0 if one of them is gone.
local channel, first_added = ARGV[1], 3 + tonumber(ARGV[2])
for i = 3, first_added - 1 do
  if #redis.call('XRANGE', KEYS[3], ARGV[i], ARGV[i]) == 0 then return 0 end
end
for i = 3, first_added - 1 do redis.call('XDEL', KEYS[3], ARGV[i]) end
redis.call('HINCRBY', KEYS[2], 'changes', 1)
add_events(KEYS[1], first_added)
redis.call('PUBLISH', channel, 'posted')
return 1
