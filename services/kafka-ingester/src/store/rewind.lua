-- Sets the offset of a partition back, because a shard has lost what it had acknowledged. This is for a Cluster.
-- KEYS: 1 offsets   ARGV: 1 partition   2 owner's epoch   3 offset, '' if nothing is known of what is lost   4 witnesses
-- Returns {'fenced', epoch of the owner} | {'gap', offset | ''}.
local partition = ARGV[1]
local stored, epoch = unpack(redis.call('HMGET', KEYS[1], partition, partition .. ':epoch'))
if epoch ~= ARGV[2] then return { 'fenced', epoch or '' } end
if ARGV[3] == '' then
  redis.call('HDEL', KEYS[1], partition, partition .. ':witnesses')
  return { 'gap', '' }
end
if not stored or tonumber(stored) > tonumber(ARGV[3]) then stored = stored and ARGV[3] end
if stored then redis.call('HSET', KEYS[1], partition, stored, partition .. ':witnesses', ARGV[4]) end
return { 'gap', stored or '' }
