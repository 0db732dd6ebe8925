-- Applies a batch of one partition together with the partition's offset, or nothing of it.
-- KEYS: 1 offsets   2 ids, '' for none   3 dead letters
-- ARGV: 1-4 message.lua   5 partition   6 epoch   7 first offset of the batch   8 offset after it   9 batch   10 topic   11 dead letters kept
-- Returns {'fenced', epoch} | {'hole', offset} | {'refused', offset, why} | {'later', offset, why} | {'done', offset}, then
-- the partition's applied and dead messages of all time.
local partition = ARGV[5]
local at = redis.call('HMGET', KEYS[1], partition, partition .. ':epoch', partition .. ':applied', partition .. ':dead')
if not at[1] or at[2] ~= ARGV[6] then return { 'fenced', at[2] or '' } end
local stored, applied, dead = tonumber(at[1]), tonumber(at[3] or 0), tonumber(at[4] or 0)
if stored < tonumber(ARGV[7]) then return { 'hole', at[1] } end
if stored >= tonumber(ARGV[8]) then return { 'done', at[1], applied, dead } end

local outcome, why, reached = 'done', '', ARGV[8]
local ids, messages = unpack(cmsgpack.unpack(ARGV[9]))
local ids_refused = #ids > 0 and KEYS[2] ~= '' and in_pieces(ids, 1, 'SADD', KEYS[2])
for _, m in ipairs(messages) do
  local offset = m[1]
  if offset >= stored then
    local wrong
    if m[2] == DEAD then
      wrong = try('XADD', KEYS[3], 'MAXLEN', '~', ARGV[11], '*', 'topic', ARGV[10], 'partition', partition,
        'offset', string.format('%.0f', offset), 'key', m[3], 'reason', m[4], 'value', m[5])
      outcome = wrong and 'later' or outcome
      dead = dead + (wrong and 0 or 1)
    else
      wrong = ids_refused or act(m, KEYS[2])
      if wrong then outcome = is_passing(wrong) and 'later' or 'refused' else applied = applied + 1 end
    end
    if wrong then
      why, reached = wrong, string.format('%.0f', offset)
      break
    end
  end
end
local unmarked = try('HSET', KEYS[1], partition, reached, partition .. ':applied', applied, partition .. ':dead', dead)
if unmarked then return { 'later', at[1], applied, dead, unmarked } end
return { outcome, reached, applied, dead, why }
