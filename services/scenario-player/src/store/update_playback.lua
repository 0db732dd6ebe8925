-- Replaces a playback and its upcoming events, unless somebody else has changed the playback since it was read.
-- KEYS: timeline, playback, loops, scenario, scenarios, meta, posts of the customer
-- ARGV: channel of hints, customer, old playback, new playback or '' to delete the scenario, end of the loop's last scheduled
--       iteration (ms) or '', last moment for this (ms) or '', number of events to remove, for each of them: member, sequence;
--       then the arguments of add_events
-- Returns 1, or 0 if the playback was changed or it is too late.
local channel, customer, old_playback, new_playback, iteration_end = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local until_ms, first_removed = ARGV[6], 8
local first_added = first_removed + 2 * tonumber(ARGV[7])

if until_ms ~= '' and time_ms() > tonumber(until_ms) then return 0 end
-- A scenario that the original stored has no playback yet.
local stored_playback = redis.call('GET', KEYS[2])
if stored_playback and stored_playback ~= old_playback then return 0 end
redis.call('HINCRBY', KEYS[6], 'changes', 1)
-- What is added and removed here are all steps of the scenario, also those that a post has not put on the timeline yet.
local posts = read_posts(KEYS[7])
if posts then
  for name, post in pairs(posts) do
    if not post.has_ended then posts[name] = nil end
  end
  write_posts(KEYS[7], posts)
end
for i = first_removed, first_added - 1, 2 do
  local member, sequence = ARGV[i], ARGV[i + 1]
  if redis.call('ZREM', KEYS[1], member .. '|' .. sequence) == 0 then redis.call('ZREM', KEYS[1], member) end
end
add_events(KEYS[1], first_added)
if new_playback == '' then
  redis.call('DEL', KEYS[2], KEYS[4])
  redis.call('ZREM', KEYS[5], customer)
else
  redis.call('SET', KEYS[2], new_playback)
end
if iteration_end == '' then
  redis.call('ZREM', KEYS[3], customer)
else
  redis.call('ZADD', KEYS[3], iteration_end, customer)
end
redis.call('PUBLISH', channel, 'reset')
return 1
