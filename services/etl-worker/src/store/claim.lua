-- KEYS: 1 jobs   ARGV: 1 group, 2 consumer, 3 lease (ms), 4 how many
-- Takes over jobs that nobody has renewed for a lease. Answers entry, game, entry, game, …
local claimed, cursor = {}, '0-0'
repeat
  local page = redis.call('XAUTOCLAIM', KEYS[1], ARGV[1], ARGV[2], ARGV[3], cursor, 'COUNT', ARGV[4])
  cursor = page[1]
  for _, entry in ipairs(page[2]) do
    -- Before Redis 7 an entry that was deleted comes as nil.
    if entry and entry[2] then
      claimed[#claimed + 1] = entry[1]
      claimed[#claimed + 1] = entry[2][2]
    end
  end
until cursor == '0-0' or #claimed > 0
return claimed
