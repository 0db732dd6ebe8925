-- Appends lines to their streams, if this instance holds the recorder's lease or can take it.
-- KEYS: lease, recording, then a stream for each channel of this call.
-- ARGV: instance, lease in ms, since, until, max lines of a stream, max age in ms, then for each line: number of its
--   stream's key, id, text.
--   since: every line from this epoch on is in this call or in an earlier one of this instance.
--   until: every line before this epoch is, too.
-- Returns {is recorder, upto}. Every line before epoch `upto` is recorded.
local holder = redis.call('GET', KEYS[1])
local recording = redis.call('HMGET', KEYS[2], 'upto', 'complete')
local upto, complete = recording[1], tonumber(recording[2] or '0')
if holder and holder ~= ARGV[1] then
  return {0, upto or '0'}
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
if not upto or tonumber(upto) < tonumber(ARGV[3]) then
  -- Nobody recorded the lines between `upto` and `since`: the recording is complete only from here on.
  complete = tonumber(ARGV[3])
  redis.call('HSET', KEYS[2], 'complete', ARGV[3])
end
local time = redis.call('TIME')
local expired = time[1] * 1000 + math.floor(time[2] / 1000) - ARGV[6] + 1
-- A stream that does not exist had no line since this time. Its first entry says so.
local first = string.format('%.0f-0', math.max(complete, expired, 1))
for i = 7, #ARGV, 3 do
  local stream = KEYS[tonumber(ARGV[i])]
  if redis.call('EXISTS', stream) == 0 then
    redis.pcall('XADD', stream, first, 'begin', '')
  end
  -- XADD refuses an id that is not greater than the stream's last: a line that another instance has recorded already.
  redis.pcall('XADD', stream, 'MAXLEN', '~', ARGV[5], ARGV[i + 1], 'line', ARGV[i + 2])
  redis.call('PEXPIRE', stream, ARGV[6])
end
if not upto or tonumber(upto) < tonumber(ARGV[4]) then
  redis.call('HSET', KEYS[2], 'upto', ARGV[4])
  return {1, ARGV[4]}
end
return {1, upto}
