-- KEYS: 1 jobs, 2 open parts, then per game: its state, its part   ARGV: 1 group, 2 consumer, then per game: token, entry, part
-- Says which file a game will be in, before there is one, so that whoever finishes the job meets the same file.
-- A part holds exactly the games for which the answer is 1.
local answer = {}
for i = 1, (#KEYS - 2) / 2 do
  local state, part, token, entry, path = KEYS[2 * i + 1], KEYS[2 * i + 2], ARGV[3 * i], ARGV[3 * i + 1], ARGV[3 * i + 2]
  answer[i] = 0
  if ours(KEYS[1], ARGV[1], ARGV[2], entry) and redis.call('HSETNX', state, 'part', path) == 1 then
    redis.call('HSET', part, token, entry)
    redis.call('SADD', KEYS[2], path)
    answer[i] = 1
  end
end
return answer
