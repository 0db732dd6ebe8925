-- Puts events on the timeline.
-- KEYS: timeline, meta   ARGV: channel of hints, then the arguments of add_events
redis.call('HINCRBY', KEYS[2], 'changes', 1)
add_events(KEYS[1], 2)
redis.call('PUBLISH', ARGV[1], 'posted')
