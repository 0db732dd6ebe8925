-- Makes the caller the owner of a partition. What an earlier owner sends is refused from now on.
-- KEYS: 1 offsets   ARGV: 1 partition   2 an epoch that the new one must exceed   3 the topic's id, '' if unknown
-- Returns {epoch, next offset | '', applied, dead, 1 if the offset belonged to an earlier topic of this name}.
local partition, topic_id = ARGV[1], ARGV[3]
local fields = { partition, partition .. ':epoch', partition .. ':topic', partition .. ':applied', partition .. ':dead' }
local offset, old_epoch, old_topic_id, applied, dead = unpack(redis.call('HMGET', KEYS[1], unpack(fields)))
local epoch = string.format('%.0f', math.max(tonumber(old_epoch or 0), tonumber(ARGV[2])) + 1)
redis.call('HSET', KEYS[1], fields[2], epoch)
local recreated = old_topic_id and topic_id ~= '' and old_topic_id ~= topic_id
if recreated then redis.call('HDEL', KEYS[1], partition) end
if topic_id ~= '' then redis.call('HSET', KEYS[1], fields[3], topic_id) end
return { epoch, not recreated and offset or '', applied or '0', dead or '0', recreated and 1 or 0 }
