-- KEYS: 1 jobs, 2 dead letters, 3 the game's state   ARGV: 1 group, 2 consumer, 3 entry, 4 token, 5 reason, 6 tries allowed, 7 when
-- Counts a failure; the last makes the job a dead letter. Answers the failures so far, 0 if the job is not ours.
if not ours(KEYS[1], ARGV[1], ARGV[2], ARGV[3]) then return 0 end
local tries = redis.call('HINCRBY', KEYS[3], 'tries', 1)
if tries >= tonumber(ARGV[6]) then
  redis.call('XADD', KEYS[2], '*', 'game', ARGV[4], 'reason', ARGV[5], 'when', ARGV[7], 'tries', tries)
  redis.call('HSET', KEYS[3], 'state', 'dead')
  redis.call('XACK', KEYS[1], ARGV[1], ARGV[3])
  redis.call('XDEL', KEYS[1], ARGV[3])
end
return tries
