-- Finds the last lines of a channel, from the newest one back. A call reads about as many bytes as wanted.
-- KEYS: stream. ARGV: '+', or '(' and the id before which to go on; how many lines; bytes; 'ids' for the id of each.
-- Returns {how many were found, id of the oldest of them or '', id of the newest or '', are these all, where to go on, {id, …}}.
local ENTRY, STEP = 512, 4
local stream, before, wanted, room = KEYS[1], ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
if redis.call('TYPE', stream).ok ~= 'stream' then return {0, '', '', 1, before, {}} end

local function is_line(entry)
  return entry[2][1] == 'line'
end

local length = redis.call('XLEN', stream)
if before == '+' and length <= wanted + 1 and ARGV[4] ~= 'ids' then
  -- Perhaps all of them: nothing has to be counted, but that the first entry may only say that the stream begins there.
  local oldest = redis.call('XRANGE', stream, '-', '+', 'COUNT', 2)
  if oldest[1] and not is_line(oldest[1]) then
    table.remove(oldest, 1)
    length = length - 1
  end
  if not oldest[1] then return {0, '', '', 1, before, {}} end
  if length <= wanted then
    return {length, oldest[1][1], redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 1)[1][1], 1, before, {}}
  end
end

local found, oldest, newest, is_end, ids = 0, '', '', 0, {}
while room > 0 and is_end == 0 do
  local entries = redis.call('XREVRANGE', stream, before, '-', 'COUNT', math.min(STEP, wanted - found))
  for _, entry in ipairs(entries) do
    before, room = '(' .. entry[1], room - ENTRY - #entry[2][2]
    if is_line(entry) then
      found, oldest = found + 1, entry[1]
      if newest == '' then newest = entry[1] end
      if ARGV[4] == 'ids' then ids[found] = entry[1] end
    end
  end
  if #entries == 0 or found == wanted then is_end = 1 end
end
return {found, oldest, newest, is_end, before, ids}
