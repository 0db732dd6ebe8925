-- KEYS: 1 jobs, 2 open parts, then per game: its state, its part
-- ARGV: 1 group, 2 consumer, then per game: token, entry id, path of the part
-- Decides which part each game goes to, before the part is written. A worker that takes the job over reads the same
-- decision and finds the same file. Returns per game: 1 if the game goes to this part, else 0.
local planned = {}
for i = 1, (#KEYS - 2) / 2 do
  local state, part = KEYS[2 * i + 1], KEYS[2 * i + 2]
  local token, entry_id, path = ARGV[3 * i], ARGV[3 * i + 1], ARGV[3 * i + 2]
  planned[i] = 0
  if owns(KEYS[1], ARGV[1], ARGV[2], entry_id) and redis.call('HSETNX', state, 'part', path) == 1 then
    redis.call('HSET', part, token, entry_id)
    redis.call('SADD', KEYS[2], path)
    planned[i] = 1
  end
end
return planned
