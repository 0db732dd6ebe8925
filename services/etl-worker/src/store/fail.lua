-- KEYS: 1 jobs, 2 dead letters, 3 the game's state
-- ARGV: 1 group, 2 consumer, 3 entry id, 4 token, 5 reason, 6 maximum tries, 7 time of the failure
-- Counts a failure of a job. The last one makes it a dead letter, and so does the first if failures cannot be counted.
-- Returns the number of failures and whether the job is a dead letter; 0 failures if the consumer does not own the job.
if not owns(KEYS[1], ARGV[1], ARGV[2], ARGV[3]) then return { 0, 0 } end
local most = tonumber(ARGV[6])
local before = try('HGET', KEYS[3], 'tries')
local tries = failed(before) and most or math.min(most, (tonumber(string.match(before or '', '^%d+$')) or 0) + 1)
try('HSET', KEYS[3], 'tries', tries)
if tries < most then return { tries, 0 } end
if try('HGET', KEYS[3], 'state') ~= 'dead' then
  -- While there is no place for dead letters the job stays.
  local kept = try('XADD', KEYS[2], '*', 'game', ARGV[4], 'reason', ARGV[5], 'when', ARGV[7], 'tries', tries)
  if failed(kept) then return { tries, 0 } end
  try('HSET', KEYS[3], 'state', 'dead')
end
redis.call('XDEL', KEYS[1], ARGV[3])
redis.call('XACK', KEYS[1], ARGV[1], ARGV[3])
return { tries, 1 }
