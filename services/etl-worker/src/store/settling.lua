-- ARGV of the scripts below begin with: 1 the number R of a session's records, 2 settle time (ms).
-- The settling mark holds the number of entries and since when (ms) it is that. Anything else is replaced.
local time = redis.call('TIME')
local now, settle = time[1] * 1000 + math.floor(time[2] / 1000), tonumber(ARGV[2])
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
-- Whether the number of a session's entries has been the same for the settle time.
local function has_settled(settling, length)
  return now - settled_since(settling, length) >= settle
end
