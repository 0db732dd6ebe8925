-- KEYS: 1 sessions to be cleaned up, then the state of each session   ARGV: 1 expiry of the states (s), then per session: token
-- The records of these sessions are gone, or expire.
for i = 2, #KEYS do
  redis.call('EXPIRE', KEYS[i], ARGV[1])
  redis.call('ZREM', KEYS[1], ARGV[i])
end
return #KEYS - 1
