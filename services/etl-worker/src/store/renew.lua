-- KEYS: 1 jobs   ARGV: 1 group, 2 consumer, then entry ids
-- Renews the leases of the jobs that the consumer still owns. Returns 1 or 0 per entry.
local renewed = {}
for i = 3, #ARGV do
  local is_owned = owns(KEYS[1], ARGV[1], ARGV[2], ARGV[i])
  if is_owned then redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[i], 'JUSTID') end
  renewed[i - 2] = is_owned and 1 or 0
end
return renewed
