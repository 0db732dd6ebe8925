-- Replaces a playback and its steps to come, unless somebody else changed the playback first. An empty new playback
-- deletes the scenario.
-- KEYS: timeline, playback, loops, scenario, scenarios, meta
-- ARGV: channel, customer, old playback, new playback or '', end of the round (ms) or '', number of members to remove,
--       then per member to remove: member, place; per event to add what `add` takes
local now = redis.call('GET', KEYS[2])
if now and now ~= ARGV[3] then return 0 end
redis.call('HINCRBY', KEYS[6], 'changes', 1)
local first_add = 7 + 2 * tonumber(ARGV[6])
for i = 7, first_add - 1, 2 do
  if redis.call('ZREM', KEYS[1], ARGV[i] .. '|' .. ARGV[i + 1]) == 0 then redis.call('ZREM', KEYS[1], ARGV[i]) end
end
add(KEYS[1], first_add)
if ARGV[4] == '' then
  redis.call('DEL', KEYS[2], KEYS[4])
  redis.call('ZREM', KEYS[5], ARGV[2])
else
  redis.call('SET', KEYS[2], ARGV[4])
end
if ARGV[5] == '' then redis.call('ZREM', KEYS[3], ARGV[2]) else redis.call('ZADD', KEYS[3], ARGV[5], ARGV[2]) end
redis.call('PUBLISH', ARGV[1], 'reset')
return 1
