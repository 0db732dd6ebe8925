-- KEYS: per game: its state, its players   ARGV: 1 log entries at most, 2 '1' to read planned games too
-- Answers per game: { part or '', error or '', { user, id, health, … }, length of the log, { entries } }.
local function read(state, game, entries, planned_too)
  local part = redis.call('HGET', state, 'part') or ''
  if part ~= '' and not planned_too then return { part, '', {}, 0, {} } end
  local members = redis.pcall('SMEMBERS', game)
  if members.err then return { part, 'the players cannot be read: ' .. members.err, {}, 0, {} } end
  local players = {}
  for _, user in ipairs(members) do
    local hash = redis.pcall('HMGET', game .. ':superheros:' .. user, 'id', 'health')
    if hash.err then return { part, 'player ' .. user .. ': the superhero cannot be read: ' .. hash.err, {}, 0, {} } end
    players[#players + 1] = user
    players[#players + 1] = hash[1]
    players[#players + 1] = hash[2]
  end
  local length = redis.pcall('LLEN', game .. ':logs')
  if type(length) ~= 'number' then return { part, 'the log cannot be read: ' .. length.err, {}, 0, {} } end
  return { part, '', players, length, redis.call('LRANGE', game .. ':logs', 0, entries - 1) }
end
local answer = {}
for i = 1, #KEYS, 2 do
  answer[#answer + 1] = read(KEYS[i], KEYS[i + 1], tonumber(ARGV[1]), ARGV[2] == '1')
end
return answer
