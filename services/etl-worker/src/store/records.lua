-- ARGV 1 to 6 of the script below: what follows games:{game} in the names of the game's other keys (redis_core::key).
local SUPERHEROS, LOGS, ORDER, STATUS, PARTICIPANTS, HOST = unpack(ARGV, 1, 6)
local RECORDS = { '', SUPERHEROS, LOGS, ORDER, STATUS, PARTICIPANTS, HOST }
local function superhero(game, user)
  return game .. SUPERHEROS .. ':' .. user
end
local function users(game)
  local members = try('SMEMBERS', game)
  return failed(members) and {} or members
end
-- 'known' if the game has a job, was written, or is a dead letter; 'unreadable' if its state is none; otherwise nil.
local function known(state)
  local value = try('HGET', state, 'state')
  if value == 'queued' or value == 'done' or value == 'dead' then return 'known' end
  if value or redis.call('EXISTS', state) == 1 then return 'unreadable' end
end
-- Creates a job for a game that has none, and keeps the game's records from expiring until the job is committed.
local function enqueue(jobs, state, game, settling, token)
  local is_known = known(state)
  if is_known then return is_known end
  local found = 0
  for _, suffix in ipairs(RECORDS) do
    found = found + redis.call('EXISTS', game .. suffix)
    redis.call('PERSIST', game .. suffix)
  end
  if found == 0 then return 'unknown' end
  for _, user in ipairs(users(game)) do redis.call('PERSIST', superhero(game, user)) end
  redis.call('DEL', settling)
  redis.call('HSET', state, 'state', 'queued')
  -- Without its job, nothing may say that the game has one: it would be lost.
  if failed(redis.pcall('XADD', jobs, '*', 'game', token)) then
    redis.call('DEL', state)
    redis.call('XADD', jobs, '*', 'game', token)
  end
  return 'queued'
end
