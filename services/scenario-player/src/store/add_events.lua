-- Included before the scripts that put events on the timeline. A member that is there already is not overwritten: the later
-- event gets a member with its sequence at the end.
-- ARGV from `first` on, for each event: score, member, sequence ('post.index'), and '1' if an earlier event of the same call
-- has the same score
local function add_events(timeline, first)
  for i = first, #ARGV, 4 do
    local score, member, sequence, tied = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3] == '1'
    if tied or redis.call('ZADD', timeline, 'NX', score, member) == 0 then
      redis.call('ZADD', timeline, score, member .. '|' .. sequence)
    end
  end
end
