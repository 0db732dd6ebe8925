-- Loads the recorded lines of some channels.
-- KEYS: recording, then the streams.
-- ARGV: an id or '', number of last lines (0 with an id).
-- Returns {upto, complete, then for each stream {exists, newest id up to the given one or '', {id, text, …} oldest first}}.
--   Every line from epoch `complete` on and before epoch `upto` is recorded.
local recording = redis.call('HMGET', KEYS[1], 'upto', 'complete')
local reply = {recording[1] or '0', recording[2] or '0'}
for i = 2, #KEYS do
  local exists, anchor, entries = redis.call('EXISTS', KEYS[i]), '', {}
  if ARGV[1] ~= '' then
    local newest = redis.call('XREVRANGE', KEYS[i], ARGV[1], '-', 'COUNT', 1)
    anchor = newest[1] and newest[1][1] or ''
    entries = redis.call('XRANGE', KEYS[i], '(' .. ARGV[1], '+')
  else
    local newest_first = redis.call('XREVRANGE', KEYS[i], '+', '-', 'COUNT', ARGV[2])
    for j = #newest_first, 1, -1 do entries[#entries + 1] = newest_first[j] end
  end
  local lines = {}
  for _, entry in ipairs(entries) do
    if entry[2][1] == 'line' then
      lines[#lines + 1] = entry[1]
      lines[#lines + 1] = entry[2][2]
    end
  end
  reply[#reply + 1] = {exists, anchor, lines}
end
return reply
