-- KEYS: per game: its state, its players   ARGV: 1-6 suffixes, 7 maximum log entries, 8 '1' to read planned games too
-- Returns per game: { part or '', error or '', { user, id, health, … }, length of the log, { log entries } }.
local function read(state, game, max_entries, read_planned)
  local part = try('HGET', state, 'part') or ''
  if failed(part) then return { '', 'the state of the job cannot be read: ' .. part.err, {}, 0, {} } end
  if part ~= '' and not read_planned then return { part, '', {}, 0, {} } end
  local members = try('SMEMBERS', game)
  if failed(members) then return { part, 'the players cannot be read: ' .. members.err, {}, 0, {} } end
  local players = {}
  for _, user in ipairs(members) do
    local hash = try('HMGET', superhero(game, user), 'id', 'health')
    if failed(hash) then return { part, 'player ' .. user .. ': the superhero cannot be read: ' .. hash.err, {}, 0, {} } end
    players[#players + 1] = user
    players[#players + 1] = hash[1]
    players[#players + 1] = hash[2]
  end
  local length = try('LLEN', game .. LOGS)
  if failed(length) then return { part, 'the log cannot be read: ' .. length.err, {}, 0, {} } end
  return { part, '', players, length, redis.call('LRANGE', game .. LOGS, 0, max_entries - 1) }
end
local games = {}
for i = 1, #KEYS, 2 do
  games[#games + 1] = read(KEYS[i], KEYS[i + 1], tonumber(ARGV[7]), ARGV[8] == '1')
end
return games
