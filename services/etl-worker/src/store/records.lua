-- ARGV 1 to 6 of the script below: what follows games:{game} in the names of the game's other keys (redis_core::key).
local SUPERHEROS, LOGS, ORDER, STATUS, PARTICIPANTS, HOST = unpack(ARGV, 1, 6)
local RECORDS = { '', SUPERHEROS, LOGS, ORDER, STATUS, PARTICIPANTS, HOST }
local function superhero(game, user)
  return game .. SUPERHEROS .. ':' .. user
end
local function users(game)
  local members = redis.pcall('SMEMBERS', game)
  return members.err and {} or members
end
-- Creates a job for a game that has none, and keeps the game's records from expiring until the job is committed.
local function enqueue(jobs, state, game, settling, token)
  if redis.call('EXISTS', state) == 1 then return 'known' end
  local found = 0
  for _, suffix in ipairs(RECORDS) do
    found = found + redis.call('EXISTS', game .. suffix)
    redis.call('PERSIST', game .. suffix)
  end
  if found == 0 then return 'unknown' end
  for _, user in ipairs(users(game)) do redis.call('PERSIST', superhero(game, user)) end
  redis.call('DEL', settling)
  redis.call('HSET', state, 'state', 'queued')
  redis.call('XADD', jobs, '*', 'game', token)
  return 'queued'
end
