-- Sets the next offset of a partition, if the caller is still its owner.
-- KEYS: 1 offsets   ARGV: 1 partition   2 caller's epoch   3 offset   4 on a Cluster the generation of offsets that begins, else ''
-- Returns 1, or 0 if there is another owner.
if redis.call('HMGET', KEYS[1], ARGV[1] .. ':epoch')[1] ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
if ARGV[4] ~= '' then redis.call('HSET', KEYS[1], ARGV[1] .. ':generation', ARGV[4], ARGV[1] .. ':witnesses', '') end
return 1
