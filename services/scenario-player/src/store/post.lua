-- Puts events on the timeline.
-- KEYS: timeline, meta   ARGV: channel, then per event what `add` takes
redis.call('HINCRBY', KEYS[2], 'changes', 1)
add(KEYS[1], 2)
redis.call('PUBLISH', ARGV[1], 'posted')
