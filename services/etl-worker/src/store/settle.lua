-- KEYS: 1 jobs, then per game: its state, its players, its settling mark   ARGV: 1 settle time (ms), then per game: its token
-- Makes jobs of the games that are Completed and whose log has not grown for the settle time. Answers their number.
local time = redis.call('TIME')
local now, settle, queued = time[1] * 1000 + math.floor(time[2] / 1000), tonumber(ARGV[1]), 0
for i = 2, #ARGV do
  local state, game, mark = KEYS[3 * i - 4], KEYS[3 * i - 3], KEYS[3 * i - 2]
  if redis.call('EXISTS', state) == 0 and redis.pcall('GET', game .. ':status') == 'Completed' then
    local length = redis.pcall('LLEN', game .. ':logs')
    length = type(length) == 'number' and tostring(length) or 'unreadable'
    local seen, since = string.match(redis.call('GET', mark) or '', '^(%w+)|(%d+)$')
    if seen ~= length then
      since = now
      redis.call('SET', mark, length .. '|' .. string.format('%.0f', now), 'PX', settle + 600000)
    else
      redis.call('PEXPIRE', mark, settle + 600000)
    end
    if now - since >= settle then
      if enqueue(KEYS[1], state, game, mark, ARGV[i]) == 'queued' then queued = queued + 1 end
    end
  end
end
return queued
