-- KEYS: 1 jobs, 2 open parts, 3 games:participants, then per game: its state, its part, its players
-- ARGV: 1 group, 2 consumer, 3 '1' to clean, 4 expiry (s), 5 how long a cleaned game is remembered (s),
--       6 and 7 what the names of the lists by number of players begin with, then per game: token, entry, part
-- Marks games done whose files are published; only then are their records let go. Answers 1 per game, 0 where the job is not ours.
local function clean(game, token)
  local counts = { redis.pcall('GET', game .. ':participants'), redis.pcall('ZSCORE', KEYS[3], token), redis.pcall('SCARD', game) }
  for _, user in ipairs(users(game)) do redis.call('EXPIRE', game .. ':superheros:' .. user, ARGV[4]) end
  for _, suffix in ipairs(RECORDS) do
    if suffix ~= ':logs' then redis.call('EXPIRE', game .. suffix, ARGV[4]) end
  end
  redis.call('DEL', game .. ':logs')
  redis.pcall('ZREM', KEYS[3], token)
  local cleaned = {}
  for i = 1, 3 do
    local count = (type(counts[i]) == 'string' or type(counts[i]) == 'number') and tonumber(counts[i])
    if count and not cleaned[count] then
      cleaned[count] = true
      redis.pcall('LREM', ARGV[6] .. string.format('%.0f', count), 1, token)
      redis.pcall('LREM', ARGV[7] .. string.format('%.0f', count), 1, token)
    end
  end
end
local answer = {}
for i = 1, (#KEYS - 3) / 3 do
  local state, part, game = KEYS[3 * i + 1], KEYS[3 * i + 2], KEYS[3 * i + 3]
  local token, entry, path = ARGV[3 * i + 5], ARGV[3 * i + 6], ARGV[3 * i + 7]
  answer[i] = 0
  if ours(KEYS[1], ARGV[1], ARGV[2], entry) then
    redis.call('HSET', state, 'state', 'done')
    redis.call('HDEL', part, token)
    if redis.call('EXISTS', part) == 0 then redis.call('SREM', KEYS[2], path) end
    if ARGV[3] == '1' then
      clean(game, token)
      redis.call('EXPIRE', state, ARGV[5])
    end
    redis.call('XACK', KEYS[1], ARGV[1], entry)
    redis.call('XDEL', KEYS[1], entry)
    answer[i] = 1
  end
end
return answer
