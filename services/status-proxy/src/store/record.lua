-- Writes lines to their streams, if this instance is the recorder or can become it.
-- KEYS: lease, state, then a stream for each channel of the call.
-- ARGV: instance, lease in ms, start, upto, longest stream, age in ms, then for each line: number of its stream's key, id, text.
--   start: every line from this mark on is in this call or an earlier one of this instance. upto: so is every line before this mark.
-- Answers {is recorder, upto}.
local holder = redis.call('GET', KEYS[1])
local state = redis.call('HMGET', KEYS[2], 'upto', 'complete')
if holder and holder ~= ARGV[1] then
  return {0, state[1] or '0'}
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
local complete = tonumber(state[2] or '0')
if not state[1] or tonumber(state[1]) < tonumber(ARGV[3]) then
  -- Nobody recorded what was between.
  complete = tonumber(ARGV[3])
  redis.call('HSET', KEYS[2], 'complete', ARGV[3])
end
local time = redis.call('TIME')
local forgotten = time[1] * 1000 + math.floor(time[2] / 1000) - ARGV[6] + 1
-- A stream that is not there had no line since this time: it begins with an entry that says so.
local first = string.format('%.0f-0', math.max(complete, forgotten, 1))
for i = 7, #ARGV, 3 do
  local stream = KEYS[tonumber(ARGV[i])]
  if redis.call('EXISTS', stream) == 0 then
    redis.pcall('XADD', stream, first, 'begin', '')
  end
  -- A line that another instance has recorded already has an id that is not greater than the last one: it is refused.
  redis.pcall('XADD', stream, 'MAXLEN', '~', ARGV[5], ARGV[i + 1], 'line', ARGV[i + 2])
  redis.call('PEXPIRE', stream, ARGV[6])
end
if not state[1] or tonumber(state[1]) < tonumber(ARGV[4]) then
  redis.call('HSET', KEYS[2], 'upto', ARGV[4])
  return {1, ARGV[4]}
end
return {1, state[1]}
