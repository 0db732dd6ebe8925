-- KEYS: 1 jobs   ARGV: 1 group, 2 consumer, 3 lease (ms), 4 count
-- Takes over jobs that no consumer has renewed for a lease. Returns entry id, game, entry id, game, …
local claimed, cursor = {}, '0-0'
repeat
  local page = redis.call('XAUTOCLAIM', KEYS[1], ARGV[1], ARGV[2], ARGV[3], cursor, 'COUNT', ARGV[4])
  cursor = page[1]
  for _, entry in ipairs(page[2]) do
    -- Before Redis 7 an entry that was deleted is returned as nil.
    if entry and entry[2] then
      claimed[#claimed + 1] = entry[1]
      claimed[#claimed + 1] = entry[2][2]
    end
  end
until cursor == '0-0' or #claimed > 0
return claimed
