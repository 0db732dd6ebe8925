-- Renews an instance's lease, gives up the partitions that it names, and assigns free ones to it up to its fair share.
-- KEYS: instances, partitions, meta, timeline
-- ARGV: channel of hints, instance, lease (ms), start of the timeline ('now' or ms), uptime of the process (ms), 'new', 'returning'
--       or 'member', '1' if the timeline starts with a process, first and last partition of the lane, number of partitions of all
--       lanes, number of those that the instance has in other lanes and keeps first, then the partitions to give up
-- Returns: '1' if the lease had ended, else '0'; start of the timeline (ms); fair share of this lane; the instance's partitions;
-- now (ms); when the first event since the start is or was due (ms) or ''.
local channel, instance, lease_ms = ARGV[1], ARGV[2], ARGV[3]
local requested_start, uptime_ms, status, starts_with_process = ARGV[4], ARGV[5], ARGV[6], ARGV[7] == '1'
local first_partition, last_partition = tonumber(ARGV[8]), tonumber(ARGV[9])
local all_partitions, partitions_before = tonumber(ARGV[10]), tonumber(ARGV[11])
local first_given_up = 12
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + time[2] / 1000

redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now_ms))
-- Nobody's lease is that long: such a member is no instance, and its share would never be played.
redis.call('ZREMRANGEBYSCORE', KEYS[1], string.format('(%.0f', now_ms + 30 * lease_ms), '+inf')
local has_lease = redis.call('ZSCORE', KEYS[1], instance)
-- Since the lease ended, others may have taken its partitions. It must come back under another name.
if status == 'member' and not has_lease then return { '1', '0', 0, {}, '0', '' } end

-- The first instance of a group decides where the timeline starts. One that returns can only move the start back.
local start_ms = requested_start == 'now' and math.floor(now_ms - uptime_ms) or tonumber(requested_start)
local stored_start = redis.call('HGET', KEYS[3], 'start')
local is_alone = redis.call('ZCARD', KEYS[1]) == 0
-- A process that started in the future: the clock was set back. By its new time the process started earlier. When the clock is
-- set forward again the start stays, as there may be steps that were posted meanwhile.
local was_set_back = starts_with_process and stored_start and tonumber(stored_start) > now_ms
if was_set_back then start_ms = math.floor(now_ms - uptime_ms) end
if not stored_start or is_alone or was_set_back or (status ~= 'new' and start_ms < tonumber(stored_start)) then
  stored_start = string.format('%.0f', start_ms)
  redis.call('HSET', KEYS[3], 'start', stored_start)
end
redis.call('ZADD', KEYS[1], string.format('%.0f', now_ms + lease_ms), instance)

-- Partitions of instances whose lease has ended count as free.
local is_live, instances = {}, redis.call('ZRANGE', KEYS[1], 0, -1)
for _, live in ipairs(instances) do is_live[live] = true end
local owner_of, owners = {}, redis.call('HGETALL', KEYS[2])
for i = 1, #owners, 2 do
  local partition = tonumber(owners[i])
  if partition and is_live[owners[i + 1]] then owner_of[partition] = owners[i + 1] end
end
for i = first_given_up, #ARGV do
  if owner_of[tonumber(ARGV[i])] == instance then
    owner_of[tonumber(ARGV[i])] = nil
    redis.call('HDEL', KEYS[2], ARGV[i])
  end
end
local fair_share, own = math.max(0, math.ceil(all_partitions / #instances) - partitions_before), {}
for partition = first_partition, last_partition do
  if owner_of[partition] == instance then own[#own + 1] = partition end
end
for partition = first_partition, last_partition do
  if #own < fair_share and not owner_of[partition] then
    redis.call('HSET', KEYS[2], partition, instance)
    own[#own + 1] = partition
  end
end
-- Tells the others at once that they own more than their share now, or that partitions became free.
if not has_lease or #ARGV >= first_given_up then redis.call('PUBLISH', channel, 'lanes') end
local first_due = redis.call('ZRANGEBYSCORE', KEYS[4], stored_start, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)[2] or ''
return { '0', stored_start, fair_share, own, string.format('%.3f', now_ms), first_due }
