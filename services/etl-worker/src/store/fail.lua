-- KEYS: 1 jobs, 2 dead letters, 3 the game's state
-- ARGV: 1 group, 2 consumer, 3 entry id, 4 token, 5 reason, 6 maximum tries, 7 time of the failure
-- Counts a failure of a job. The last one makes it a dead letter.
-- Returns the number of failures, or 0 if the consumer does not own the job.
if not owns(KEYS[1], ARGV[1], ARGV[2], ARGV[3]) then return 0 end
local tries = redis.call('HINCRBY', KEYS[3], 'tries', 1)
if tries >= tonumber(ARGV[6]) then
  redis.call('XADD', KEYS[2], '*', 'game', ARGV[4], 'reason', ARGV[5], 'when', ARGV[7], 'tries', tries)
  redis.call('HSET', KEYS[3], 'state', 'dead')
  redis.call('XACK', KEYS[1], ARGV[1], ARGV[3])
  redis.call('XDEL', KEYS[1], ARGV[3])
end
return tries
