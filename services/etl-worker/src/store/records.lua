-- ARGV of the scripts below begin with: 1 the number R of a session's records.
-- A session has the members of a set, and a hash for each of them, whose key is the name between a prefix and a suffix.
-- Where a dataset has no such key, the key of the state stands in its place: a user may name only keys that it may use.
local function users(members)
  local names = try('SMEMBERS', members)
  return failed(names) and {} or names
end
-- 'known' if the session has a job, was written, or is a dead letter; 'unreadable' if its state is none; otherwise nil.
local function known(state)
  local value = try('HGET', state, 'state')
  if value == 'queued' or value == 'done' or value == 'dead' then return 'known' end
  if value or redis.call('EXISTS', state) == 1 then return 'unreadable' end
end
-- Creates a job for a session that has none, and keeps its records from expiring until the job is committed. Without any
-- `records`, which are on other shards then, the caller has found some.
local function enqueue(jobs, state, settling, members, records, token, prefix, suffix)
  local is_known = known(state)
  if is_known then return is_known end
  local found = 0
  for _, record in ipairs(records) do
    found = found + redis.call('EXISTS', record)
    redis.call('PERSIST', record)
  end
  if #records > 0 and found == 0 then return 'unknown' end
  if prefix ~= '' and members ~= state then
    for _, user in ipairs(users(members)) do redis.call('PERSIST', prefix .. user .. suffix) end
  end
  redis.call('DEL', settling)
  redis.call('HSET', state, 'state', 'queued')
  -- Without its job, nothing may say that the session has one: it would be lost.
  if failed(redis.pcall('XADD', jobs, '*', 'game', token)) then
    redis.call('DEL', state)
    redis.call('XADD', jobs, '*', 'game', token)
  end
  return 'queued'
end
-- The keys and arguments of session number i, of which there are `keys` and `args` before the first one.
-- KEYS per session: its state, its settling mark, its members or its state, then its R records.
-- ARGV per session: its token, the prefix and the suffix of its members' hashes.
local function session(i, keys, args)
  local count = tonumber(ARGV[1])
  local k, a = keys + (i - 1) * (3 + count), args + (i - 1) * 3
  local records = {}
  for r = 1, count do records[r] = KEYS[k + 3 + r] end
  return KEYS[k + 1], KEYS[k + 2], KEYS[k + 3], records, ARGV[a + 1], ARGV[a + 2], ARGV[a + 3]
end
