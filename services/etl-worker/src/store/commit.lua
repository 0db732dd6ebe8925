-- KEYS: 1 jobs, 2 open parts, 3 index of all sessions or the jobs; with 'later' the sessions to be cleaned up, 4 counts by day, then per session: its state, its part, its members or its
--       state, its number of members or its state, its E keys that expire, its D keys that are deleted
-- ARGV: 1 E, 2 D, 3 number L of lists, 4 '1' if the members' hashes expire, 5 group, 6 consumer, 7 '1' to clean up, or 'later' where the records are on
--       other shards, 8 expiry of the records (s), or in how many ms they may go, 9 expiry of the state (s), 10 the day, then per list: its prefix, '1' if a count follows, its suffix;
--       then per session: token, entry id, path of the part, the prefix and the suffix of its members' hashes
-- Marks sessions whose files are published as done. Only after that their records may go.
-- Returns per session: 1, or 0 if the consumer does not own the job.
local expire, delete, lists = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local has_index = KEYS[3] ~= KEYS[1]
local function users(members)
  local names = try('SMEMBERS', members)
  return failed(names) and {} or names
end
local function clean_up(k, token, prefix, suffix)
  local state, members, count = KEYS[k + 1], KEYS[k + 3], KEYS[k + 4]
  -- A list may be that of a number of members. The three sources of that number may differ.
  local counts = {
    count ~= state and try('GET', count), has_index and try('ZSCORE', KEYS[3], token), members ~= state and try('SCARD', members),
  }
  if ARGV[4] == '1' and members ~= state then
    for _, user in ipairs(users(members)) do redis.call('EXPIRE', prefix .. user .. suffix, ARGV[8]) end
  end
  for i = 1, expire do redis.call('EXPIRE', KEYS[k + 4 + i], ARGV[8]) end
  for i = 1, delete do redis.call('DEL', KEYS[k + 4 + expire + i]) end
  if has_index then try('ZREM', KEYS[3], token) end
  for l = 1, lists do
    local before, has_count, after = ARGV[3 * l + 8], ARGV[3 * l + 9] == '1', ARGV[3 * l + 10]
    if not has_count then try('LREM', before, 1, token) end
    local removed_from = {}
    for i = 1, has_count and 3 or 0 do
      local number = string.match(tostring(counts[i]), '^%d+$')
      if number and not removed_from[number] then
        removed_from[number] = true
        try('LREM', before .. number .. after, 1, token)
      end
    end
  end
end
local committed, args, count = {}, 10 + 3 * lists, 0
for i = 1, (#ARGV - args) / 5 do
  local k, a = 4 + (i - 1) * (4 + expire + delete), args + 5 * (i - 1)
  local state, part = KEYS[k + 1], KEYS[k + 2]
  local token, entry_id, path = ARGV[a + 1], ARGV[a + 2], ARGV[a + 3]
  committed[i] = 0
  if owns(KEYS[1], ARGV[5], ARGV[6], entry_id) then
    -- The rows are written: a state or a part of another type changes nothing about that.
    try('HSET', state, 'state', 'done')
    if ARGV[7] == '1' then
      clean_up(k, token, ARGV[a + 4], ARGV[a + 5])
      redis.call('EXPIRE', state, ARGV[9])
    elseif ARGV[7] == 'later' then
      local time = redis.call('TIME')
      redis.call('ZADD', KEYS[3], time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[8], token)
    end
    if failed(try('HDEL', part, token)) or redis.call('EXISTS', part) == 0 then redis.call('SREM', KEYS[2], path) end
    redis.call('XDEL', KEYS[1], entry_id)
    redis.call('XACK', KEYS[1], ARGV[5], entry_id)
    committed[i] = 1
    count = count + 1
  end
end
if count > 0 then
  local before = try('HGET', KEYS[4], ARGV[10])
  if not failed(before) then redis.call('HSET', KEYS[4], ARGV[10], (tonumber(before or 0) or 0) + count) end
end
return committed
