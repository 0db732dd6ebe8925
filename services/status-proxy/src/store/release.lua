-- Ends the lease of the recorder, if it is this instance's.
-- KEYS: lease. ARGV: instance.
local holder = redis.pcall('GET', KEYS[1])
if holder == ARGV[1] then redis.call('DEL', KEYS[1]) end
