-- Makes the caller the owner of a partition. What an earlier owner sends is refused from now on.
-- KEYS: 1 offsets   ARGV: 1 partition   2 an epoch that the new one must exceed   3 the topic's id, '' if unknown
-- Returns {epoch, next offset | '', applied, dead, 1 if the offset belonged to an earlier topic of this name,
--          bad messages in a row, generation | '', witnesses | ''}; the last two are those of a Cluster.
local partition, topic_id = ARGV[1], ARGV[3]
local fields = { partition, partition .. ':epoch', partition .. ':topic', partition .. ':applied', partition .. ':dead',
  partition .. ':bad', partition .. ':generation', partition .. ':witnesses' }
local offset, old_epoch, old_topic_id, applied, dead, bad, generation, witnesses = unpack(redis.call('HMGET', KEYS[1], unpack(fields)))
if offset and not offset:match('^%d+$') then return redis.error_reply('ERR field ' .. partition .. ' is not an offset') end
local function count(text) return string.format('%.0f', text and text:match('^%d+$') or 0) end
local epoch = string.format('%.0f', math.max(count(old_epoch), tonumber(ARGV[2])) + 1)
redis.call('HSET', KEYS[1], fields[2], epoch)
local recreated = old_topic_id and topic_id ~= '' and old_topic_id ~= topic_id
if recreated then
  redis.call('HDEL', KEYS[1], partition, partition .. ':bad')
  bad = nil
end
if topic_id ~= '' then redis.call('HSET', KEYS[1], fields[3], topic_id) end
return { epoch, not recreated and offset or '', count(applied), count(dead), recreated and 1 or 0,
  count(bad), generation or '', witnesses or '' }
