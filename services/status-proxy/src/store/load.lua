-- Loads the recorded lines of some channels.
-- KEYS: recording, then the streams.
-- ARGV: an id or '', number of last lines (0 with an id).
-- Returns {upto, complete, then for each stream {exists, newest id up to the given one or '', {id, text, …} oldest first}}.
--   Every line from epoch `complete` on and before epoch `upto` is recorded. A key of another type exists, and has no lines.
local recording = redis.pcall('HMGET', KEYS[1], 'upto', 'complete')
if recording.err then
  if not string.find(recording.err, 'WRONGTYPE', 1, true) then return recording end
  recording = {}
end
local reply = {recording[1] or '0', recording[2] or '0'}
for i = 2, #KEYS do
  local kind, anchor, entries = redis.call('TYPE', KEYS[i]).ok, '', {}
  if kind == 'stream' and ARGV[1] ~= '' then
    local newest = redis.call('XREVRANGE', KEYS[i], ARGV[1], '-', 'COUNT', 1)
    anchor = newest[1] and newest[1][1] or ''
    entries = redis.call('XRANGE', KEYS[i], '(' .. ARGV[1], '+')
  elseif kind == 'stream' then
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
  reply[#reply + 1] = {kind == 'none' and 0 or 1, anchor, lines}
end
return reply
