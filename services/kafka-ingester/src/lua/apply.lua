-- Applies a batch of one partition together with the partition's offset, or nothing of it.
-- KEYS: 1 offsets   2 ids, '' for none   3 dead letters
-- ARGV: 1-4 message.lua   5 partition   6 epoch   7 first offset of the batch   8 offset after it   9 batch   10 topic   11 dead letters kept
-- Returns {'fenced', epoch} | {'hole', offset} | {'refused', offset, why} | {'later', offset, why} | {'done', offset}, then
-- the partition's applied and dead messages of all time.
local partition = ARGV[5]
local known = redis.call('HMGET', KEYS[1], partition, partition .. ':epoch', partition .. ':applied', partition .. ':dead')
if not known[1] or known[2] ~= ARGV[6] then return { 'fenced', known[2] or '' } end
local stored, applied, dead = tonumber(known[1]), tonumber(known[3] or 0), tonumber(known[4] or 0)
if stored < tonumber(ARGV[7]) then return { 'hole', known[1] } end
if stored >= tonumber(ARGV[8]) then return { 'done', known[1], applied, dead } end

local outcome, why, reached = 'done', '', ARGV[8]
local ids, items = unpack(cmsgpack.unpack(ARGV[9]))
local ids_refused = #ids > 0 and KEYS[2] ~= '' and in_pieces(ids, 1, #ids, 'SADD', KEYS[2])
local at, count = 1, #items
while at <= count do
  local offset = items[at]
  if offset >= stored then
    local wrong
    if items[at + 1] == DEAD then
      wrong = refusal(send('XADD', KEYS[3], 'MAXLEN', '~', ARGV[11], '*', 'topic', ARGV[10], 'partition', partition,
        'offset', string.format('%.0f', offset), 'key', items[at + 2], 'reason', items[at + 3], 'value', items[at + 4]))
      outcome = wrong and 'later' or outcome
      dead = dead + (wrong and 0 or 1)
    else
      wrong = ids_refused or act(items, at, KEYS[2])
      if wrong then outcome = is_passing(wrong) and 'later' or 'refused' else applied = applied + 1 end
    end
    if wrong then
      why, reached = wrong, string.format('%.0f', offset)
      break
    end
  end
  at = last_of(items, at) + 1
end
local unmarked = refusal(send('HSET', KEYS[1], partition, reached, partition .. ':applied', applied, partition .. ':dead', dead))
if unmarked then return { 'later', known[1], applied, dead, unmarked } end
return { outcome, reached, applied, dead, why }
