-- Makes the caller the owner of a partition: whoever owned it before is refused from now on.
-- KEYS: 1 offsets   ARGV: 1 partition   2 an epoch that the new one must exceed   3 the topic's id, '' if unknown
-- Returns {epoch, offset | '', applied, dead, 1 if the topic is another than the offset's}.
local partition = ARGV[1]
local names = { partition, partition .. ':epoch', partition .. ':topic', partition .. ':applied', partition .. ':dead' }
local at = redis.call('HMGET', KEYS[1], unpack(names))
local epoch = string.format('%.0f', math.max(tonumber(at[2] or 0), tonumber(ARGV[2])) + 1)
redis.call('HSET', KEYS[1], names[2], epoch)
local recreated = at[3] and ARGV[3] ~= '' and at[3] ~= ARGV[3]
if recreated then redis.call('HDEL', KEYS[1], partition) end
if ARGV[3] ~= '' then redis.call('HSET', KEYS[1], names[3], ARGV[3]) end
return { epoch, not recreated and at[1] or '', at[4] or '0', at[5] or '0', recreated and 1 or 0 }
