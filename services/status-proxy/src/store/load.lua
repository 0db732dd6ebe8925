-- Loads a page of the recorded lines of a channel. It has about as many bytes as wanted, so that no other client of Redis
-- waits for long.
-- KEYS: recording, stream. ARGV: the id after which to begin, bytes (0: no lines), how long a stream is kept in ms.
-- Returns {upto, complete, exists, newest id up to the given one or '', is the end, id after which to go on, {id, text, …}, kept}.
--   Every line from epoch `complete` on and before epoch `upto` is recorded. A key of another type exists, and has no lines.
--   A stream that does not exist had no line from epoch `kept` on.

-- What an entry counts beside its text, and how many are read between two looks at the bytes.
local ENTRY, STEP = 512, 4

local recording = redis.pcall('HMGET', KEYS[1], 'upto', 'complete')
if recording.err then
  if not string.find(recording.err, 'WRONGTYPE', 1, true) then return recording end
  recording = {}
end
local stream, from, room = KEYS[2], ARGV[1], tonumber(ARGV[2])
local kind, anchor, is_end, lines = redis.call('TYPE', stream).ok, '', 1, {}
if kind == 'stream' then
  local newest = redis.call('XREVRANGE', stream, from, '-', 'COUNT', 1)
  anchor, is_end = newest[1] and newest[1][1] or '', 0
  while room > 0 and is_end == 0 do
    local entries = redis.call('XRANGE', stream, '(' .. from, '+', 'COUNT', STEP)
    for _, entry in ipairs(entries) do
      from, room = entry[1], room - ENTRY - #entry[2][2]
      if entry[2][1] == 'line' then
        lines[#lines + 1] = entry[1]
        lines[#lines + 1] = entry[2][2]
      end
    end
    if #entries < STEP then is_end = 1 end
  end
end
local time = redis.call('TIME')
local kept = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000) - ARGV[3])
return {recording[1] or '0', recording[2] or '0', kind == 'none' and 0 or 1, anchor, is_end, from, lines, kept}
