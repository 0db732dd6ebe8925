-- Shared by the scripts below it.
-- A job is ours while its entry is pending to our consumer: that is the fence.
local function ours(jobs, group, consumer, entry)
  local pending = redis.call('XPENDING', jobs, group, entry, entry, 1)
  return pending[1] ~= nil and pending[1][2] == consumer
end
local RECORDS = { '', ':superheros', ':logs', ':order', ':status', ':participants', ':host' }
local function users(game)
  local members = redis.pcall('SMEMBERS', game)
  return members.err and {} or members
end
-- Makes a job of a game, once, and keeps its records from expiring until they are committed.
local function enqueue(jobs, state, game, mark, token)
  if redis.call('EXISTS', state) == 1 then return 'known' end
  local found = 0
  for _, suffix in ipairs(RECORDS) do
    found = found + redis.call('EXISTS', game .. suffix)
    redis.call('PERSIST', game .. suffix)
  end
  if found == 0 then return 'unknown' end
  for _, user in ipairs(users(game)) do redis.call('PERSIST', game .. ':superheros:' .. user) end
  redis.call('DEL', mark)
  redis.call('HSET', state, 'state', 'queued')
  redis.call('XADD', jobs, '*', 'game', token)
  return 'queued'
end
