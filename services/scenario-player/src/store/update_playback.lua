-- Replaces a playback and its upcoming events, unless somebody else has changed the playback since it was read.
-- KEYS: timeline, meta, playback, scenario or recording, all of these, loops, and for a scenario the posts of the customer
-- ARGV: channel of hints, customer or recording, old playback, new playback or '' to delete it, end of the loop's last scheduled
--       iteration (ms) or '', last moment for this (ms) or '', number of events to remove, for each of them: member, sequence;
--       then the arguments of add_events
-- Returns 1, or 0 if the playback was changed or it is too late.
local channel, name, old_playback, new_playback, iteration_end = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local until_ms, first_removed = ARGV[6], 8
local first_added = first_removed + 2 * tonumber(ARGV[7])

if until_ms ~= '' and time_ms() > tonumber(until_ms) then return 0 end
-- A scenario that the original stored has no playback yet.
local stored_playback = redis.call('GET', KEYS[3])
if stored_playback and stored_playback ~= old_playback then return 0 end
redis.call('HINCRBY', KEYS[2], 'changes', 1)
local is_replaced = {}
for i = first_removed, first_added - 1, 2 do
  local member, sequence = ARGV[i], ARGV[i + 1]
  if redis.call('ZREM', KEYS[1], member .. '|' .. sequence) == 0 then redis.call('ZREM', KEYS[1], member) end
  is_replaced[sequence:match('^%d+')] = true
end
-- What is replaced are all steps of a post, also those that it has not put on the timeline yet.
local posts = KEYS[7] and read_posts(KEYS[7])
if posts then
  for id, post in pairs(posts) do
    if not post.has_ended and (new_playback == '' or is_replaced[post.number]) then posts[id] = nil end
  end
  write_posts(KEYS[7], posts)
end
add_events(KEYS[1], first_added)
if new_playback == '' then
  redis.call('DEL', KEYS[3], KEYS[4])
  redis.call('ZREM', KEYS[5], name)
else
  redis.call('SET', KEYS[3], new_playback)
end
if iteration_end == '' then
  redis.call('ZREM', KEYS[6], name)
else
  redis.call('ZADD', KEYS[6], iteration_end, name)
end
redis.call('PUBLISH', channel, 'reset')
return 1
