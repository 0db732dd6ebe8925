-- KEYS: 1 jobs, 2 dead letters, 3 the game's state   ARGV: 1 entry id of the dead letter, 2 token
-- Queues the game of a dead letter again. Returns 1, or 0 if the dead letter is gone because someone else retried it.
if #redis.call('XRANGE', KEYS[2], ARGV[1], ARGV[1]) == 0 then return 0 end
redis.call('HSET', KEYS[3], 'state', 'queued')
redis.call('HDEL', KEYS[3], 'tries')
-- The dead letter goes last: a game is never without both.
redis.call('XADD', KEYS[1], '*', 'game', ARGV[2])
redis.call('XDEL', KEYS[2], ARGV[1])
return 1
