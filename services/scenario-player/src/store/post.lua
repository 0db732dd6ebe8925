-- Stores a part of a post, unless it is stored already. The first part also has the scenario, with all its steps: nobody reads
-- half of a list.
-- KEYS: posts of the customer, timeline, meta, scenario, playback, scenarios, loops
-- ARGV: name of the post, its number, channel of hints, number of the part from 0 on; in the first part: customer, playback, time
--       of the post (ms), '1' if the steps replace the stored ones, number of steps, steps; then the arguments of add_events
-- Returns 1, or 0 if nothing is known about the post, so that it cannot be said what is stored.
local name, number, channel, part = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local posts = read_posts(KEYS[1])
if not posts then return 0 end
local post = posts[name]
-- Another attempt was faster and has ended it, or another client has changed or deleted the scenario with all its steps.
if not post or post.number ~= number then return 1 end

local is_stored = post.parts > part
if not is_stored then
  redis.call('HINCRBY', KEYS[3], 'changes', 1)
  -- If one of them has another type this fails here, before more is written.
  for _, key in ipairs({ KEYS[2], KEYS[6], KEYS[7] }) do redis.call('ZCARD', key) end
  local first_event = 5
  if part == 0 then
    local customer, playback, posted_ms, replaces, steps = ARGV[5], ARGV[6], ARGV[7], ARGV[8] == '1', tonumber(ARGV[9])
    first_event = 10 + steps
    if replaces then redis.call('DEL', KEYS[4]) end
    -- In parts, because unpack() can return only so many values.
    for i = 10, first_event - 1, 1000 do redis.call('RPUSH', KEYS[4], unpack(ARGV, i, math.min(i + 999, first_event - 1))) end
    redis.call('SET', KEYS[5], playback)
    redis.call('ZADD', KEYS[6], posted_ms, customer)
    redis.call('ZREM', KEYS[7], customer)
  end
  add_events(KEYS[2], first_event)
  post.parts = part + 1
end
-- Written in any case: then replicas that have this have all that earlier attempts wrote.
post.busy_until_ms = time_ms() + ATTEMPT_MS
write_posts(KEYS[1], posts)
if not is_stored then redis.call('PUBLISH', channel, 'posted') end
return 1
