-- Stands before the scripts that put events on the timeline. Equal members do not collapse: the later one is written with
-- its place. ARGV from `first` on, per event: score, member, place ('post.index'), tied ('1' after an equal score of its post)
local function add(timeline, first)
  for i = first, #ARGV, 4 do
    local score, member = ARGV[i], ARGV[i + 1]
    if ARGV[i + 3] == '1' or redis.call('ZADD', timeline, 'NX', score, member) == 0 then
      redis.call('ZADD', timeline, score, member .. '|' .. ARGV[i + 2])
    end
  end
end
