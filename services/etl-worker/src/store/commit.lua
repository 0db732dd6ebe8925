-- KEYS: 1 jobs, 2 open parts, 3 games:participants, then per game: its state, its part, its players
-- ARGV: 1-6 suffixes, 7 group, 8 consumer, 9 '1' to clean up, 10 expiry of the records (s), 11 expiry of the state (s),
--       12 and 13 prefixes of the lists by number of players, then per game: token, entry id, path of the part
-- Marks games whose files are published as done. Only after that their records may go.
-- Returns per game: 1, or 0 if the consumer does not own the job.
local function clean_up(game, token)
  local counts = { try('GET', game .. PARTICIPANTS), try('ZSCORE', KEYS[3], token), try('SCARD', game) }
  for _, user in ipairs(users(game)) do redis.call('EXPIRE', superhero(game, user), ARGV[10]) end
  for _, suffix in ipairs(RECORDS) do
    if suffix ~= LOGS then redis.call('EXPIRE', game .. suffix, ARGV[10]) end
  end
  redis.call('DEL', game .. LOGS)
  try('ZREM', KEYS[3], token)
  -- The game is in the list of its number of players. The three sources of that number may differ.
  local removed_from = {}
  for i = 1, 3 do
    local count = string.match(tostring(counts[i]), '^%d+$')
    if count and not removed_from[count] then
      removed_from[count] = true
      try('LREM', ARGV[12] .. count, 1, token)
      try('LREM', ARGV[13] .. count, 1, token)
    end
  end
end
local committed = {}
for i = 1, (#KEYS - 3) / 3 do
  local state, part, game = KEYS[3 * i + 1], KEYS[3 * i + 2], KEYS[3 * i + 3]
  local token, entry_id, path = ARGV[3 * i + 11], ARGV[3 * i + 12], ARGV[3 * i + 13]
  committed[i] = 0
  if owns(KEYS[1], ARGV[7], ARGV[8], entry_id) then
    -- The rows are written: a state or a part of another type changes nothing about that.
    try('HSET', state, 'state', 'done')
    if ARGV[9] == '1' then
      clean_up(game, token)
      redis.call('EXPIRE', state, ARGV[11])
    end
    if failed(try('HDEL', part, token)) or redis.call('EXISTS', part) == 0 then redis.call('SREM', KEYS[2], path) end
    redis.call('XDEL', KEYS[1], entry_id)
    redis.call('XACK', KEYS[1], ARGV[7], entry_id)
    committed[i] = 1
  end
end
return committed
