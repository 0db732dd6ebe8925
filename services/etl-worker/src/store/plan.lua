-- KEYS: 1 jobs, 2 open parts, then per game: its state, its part
-- ARGV: 1 group, 2 consumer, then per game: token, entry id, path of the part
-- Decides which part each game goes to, before the part is written. A worker that takes the job over reads the same
-- decision and finds the same file. Returns per game: '' if the game goes to this part, 'lost' if the consumer does not own
-- the job or the game goes to another part, otherwise an error.
local function plan(state, part, token, entry_id, path)
  if not owns(KEYS[1], ARGV[1], ARGV[2], entry_id) then return 'lost' end
  local planned = try('HEXISTS', state, 'part')
  if failed(planned) then return 'the state of the job cannot be read: ' .. planned.err end
  if planned == 1 then return 'lost' end
  -- The state comes last: a game that has a part is in the list of that part, which is open.
  redis.call('SADD', KEYS[2], path)
  local listed = try('HSET', part, token, entry_id)
  if failed(listed) then
    redis.call('SREM', KEYS[2], path)
    return 'the games of file ' .. path .. ' cannot be listed: ' .. listed.err
  end
  redis.call('HSET', state, 'part', path)
  return ''
end
local planned = {}
for i = 1, (#KEYS - 2) / 2 do
  planned[i] = plan(KEYS[2 * i + 1], KEYS[2 * i + 2], ARGV[3 * i], ARGV[3 * i + 1], ARGV[3 * i + 2])
end
return planned
