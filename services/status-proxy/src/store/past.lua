-- Reads what is recorded of some channels.
-- KEYS: state, then the streams. ARGV: id or '', number of last lines (0 with an id).
-- Answers {upto, complete, then for each stream {is there, newest id up to the one given or '', lines oldest first as id, text, …}}.
local state = redis.call('HMGET', KEYS[1], 'upto', 'complete')
local answer = {state[1] or '0', state[2] or '0'}
for i = 2, #KEYS do
  local there, anchor, entries = redis.call('EXISTS', KEYS[i]), '', {}
  if ARGV[1] ~= '' then
    local before = redis.call('XREVRANGE', KEYS[i], ARGV[1], '-', 'COUNT', 1)
    anchor = before[1] and before[1][1] or ''
    entries = redis.call('XRANGE', KEYS[i], '(' .. ARGV[1], '+')
  else
    local last = redis.call('XREVRANGE', KEYS[i], '+', '-', 'COUNT', ARGV[2])
    for j = #last, 1, -1 do entries[#entries + 1] = last[j] end
  end
  local lines = {}
  for _, entry in ipairs(entries) do
    if entry[2][1] == 'line' then
      lines[#lines + 1] = entry[1]
      lines[#lines + 1] = entry[2][2]
    end
  end
  answer[#answer + 1] = {there, anchor, lines}
end
return answer
