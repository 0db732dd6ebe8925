-- KEYS: 1 jobs, then per game: its state, its players, its settling mark
-- ARGV: 1-6 suffixes, 7 settle time (ms), then per game: its token
-- Creates jobs for the games that are Completed and whose log has not grown for the settle time. Returns how many.
-- The settling mark holds the length of the log and since when (ms) it has been that long.
local time = redis.call('TIME')
local now, settle, queued = time[1] * 1000 + math.floor(time[2] / 1000), tonumber(ARGV[7]), 0
for i = 1, #ARGV - 7 do
  local state, game, settling = KEYS[3 * i - 1], KEYS[3 * i], KEYS[3 * i + 1]
  if redis.call('EXISTS', state) == 0 and redis.pcall('GET', game .. STATUS) == 'Completed' then
    local length = redis.pcall('LLEN', game .. LOGS)
    length = type(length) == 'number' and tostring(length) or 'unreadable'
    local last_length, since = string.match(redis.call('GET', settling) or '', '^(%w+)|(%d+)$')
    if last_length ~= length then
      since = now
      redis.call('SET', settling, length .. '|' .. string.format('%.0f', now), 'PX', settle + 600000)
    else
      redis.call('PEXPIRE', settling, settle + 600000)
    end
    if now - since >= settle then
      if enqueue(KEYS[1], state, game, settling, ARGV[i + 7]) == 'queued' then queued = queued + 1 end
    end
  end
end
return queued
