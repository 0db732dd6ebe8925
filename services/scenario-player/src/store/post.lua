-- Puts events on the timeline. Equal members do not collapse: the later one is written with its place.
-- KEYS: timeline, meta   ARGV: channel, then per event: score, member, place ('post.index'), tied ('1' after an equal score of its post)
redis.call('HINCRBY', KEYS[2], 'changes', 1)
for i = 2, #ARGV, 4 do
  local score, member = ARGV[i], ARGV[i + 1]
  if ARGV[i + 3] == '1' or redis.call('ZADD', KEYS[1], 'NX', score, member) == 0 then
    redis.call('ZADD', KEYS[1], score, member .. '|' .. ARGV[i + 2])
  end
end
redis.call('PUBLISH', ARGV[1], 'posted')
