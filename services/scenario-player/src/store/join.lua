-- Renews an instance's lease, gives up the lanes it names, and takes free ones up to its fair share.
-- KEYS: instances, lanes, meta
-- ARGV: channel, instance, lease (ms), number of lanes, start ('now' or ms), age of the process (ms), 'new', 'back' or 'known',
--       then the lanes it gives up
-- -> now (ms), '1' if the lease had run out, start of the timeline (ms), fair share, lanes...
local t = redis.call('TIME')
local now = t[1] * 1000 + t[2] / 1000
local me, count = ARGV[2], tonumber(ARGV[4])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now))
local known = redis.call('ZSCORE', KEYS[1], me)
-- What others may have taken since is theirs; the name is not used again.
if ARGV[7] == 'known' and not known then return { string.format('%.3f', now), '1', '0', 0, {} } end

-- The first of a group decides where its timeline starts; one that comes back may only take it further back.
local start = ARGV[5] == 'now' and math.floor(now - ARGV[6]) or tonumber(ARGV[5])
local stored = redis.call('HGET', KEYS[3], 'start')
local alone = redis.call('ZCARD', KEYS[1]) == 0
if not stored or alone or (ARGV[7] ~= 'new' and start < tonumber(stored)) then
  stored = string.format('%.0f', start)
  redis.call('HSET', KEYS[3], 'start', stored)
end
redis.call('ZADD', KEYS[1], string.format('%.0f', now + ARGV[3]), me)

local live, members = {}, redis.call('ZRANGE', KEYS[1], 0, -1)
for _, instance in ipairs(members) do live[instance] = true end
local owner, lanes = {}, redis.call('HGETALL', KEYS[2])
for i = 1, #lanes, 2 do if live[lanes[i + 1]] then owner[tonumber(lanes[i])] = lanes[i + 1] end end
for i = 8, #ARGV do
  if owner[tonumber(ARGV[i])] == me then
    owner[tonumber(ARGV[i])] = nil
    redis.call('HDEL', KEYS[2], ARGV[i])
  end
end
local share, mine = math.ceil(count / #members), {}
for lane = 0, count - 1 do if owner[lane] == me then mine[#mine + 1] = lane end end
for lane = 0, count - 1 do
  if #mine < share and not owner[lane] then
    redis.call('HSET', KEYS[2], lane, me)
    mine[#mine + 1] = lane
  end
end
-- Others see at once that they hold too many, or that some are free.
if not known or #ARGV > 7 then redis.call('PUBLISH', ARGV[1], 'lanes') end
return { string.format('%.3f', now), '0', stored, share, mine }
