-- KEYS: 1 jobs, then per game: its state, its players, its settling mark
-- ARGV: 1-6 suffixes, 7 settle time (ms), then per game: its token
-- Creates jobs for the games that are Completed and whose log has not grown for the settle time.
-- Returns how many, and the tokens of the games whose state is unreadable.
-- The settling mark holds the length of the log and since when (ms) it has been that long. Anything else is replaced.
local time = redis.call('TIME')
local now, settle, queued, unreadable = time[1] * 1000 + math.floor(time[2] / 1000), tonumber(ARGV[7]), 0, {}
local function settled_since(settling, length)
  local mark = try('GET', settling)
  local last_length, since = string.match(type(mark) == 'string' and mark or '', '^(%w+)|(%d+)$')
  since = tonumber(since)
  if last_length == length and since <= now then
    redis.call('PEXPIRE', settling, settle + 600000)
    return since
  end
  redis.call('SET', settling, length .. '|' .. string.format('%.0f', now), 'PX', settle + 600000)
  return now
end
for i = 1, #ARGV - 7 do
  local state, game, settling, token = KEYS[3 * i - 1], KEYS[3 * i], KEYS[3 * i + 1], ARGV[i + 7]
  local is_known = known(state)
  if is_known == 'unreadable' then
    unreadable[#unreadable + 1] = token
  elseif not is_known and try('GET', game .. STATUS) == 'Completed' then
    local length = try('LLEN', game .. LOGS)
    length = failed(length) and 'unreadable' or tostring(length)
    if now - settled_since(settling, length) >= settle and enqueue(KEYS[1], state, game, settling, token) == 'queued' then
      queued = queued + 1
    end
  end
end
return { queued, unreadable }
