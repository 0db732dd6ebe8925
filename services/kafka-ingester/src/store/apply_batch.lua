-- Applies a batch of one partition and stores the offset after it, in one step.
-- KEYS: 1 offsets   2 set of ids, '' for none   3 dead letters
-- ARGV: 1-4 message.lua   5 partition   6 owner's epoch   7 first offset of the batch   8 offset after the batch   9 batch
--       10 topic   11 dead letters kept
-- Returns {'fenced', epoch of the owner} | {'gap', stored offset} | {'applied', offset, applied, dead}
--       | {'refused', offset, applied, dead, error} | {'retry', offset, applied, dead, error}.
-- applied and dead count the partition's messages of all time.
local partition = ARGV[5]
local state = redis.call('HMGET', KEYS[1], partition, partition .. ':epoch', partition .. ':applied', partition .. ':dead')
if not state[1] or state[2] ~= ARGV[6] then return { 'fenced', state[2] or '' } end
local stored, applied, dead = tonumber(state[1]), tonumber(state[3] or 0), tonumber(state[4] or 0)
if stored < tonumber(ARGV[7]) then return { 'gap', state[1] } end
if stored >= tonumber(ARGV[8]) then return { 'applied', state[1], applied, dead } end

local outcome, reason, next_offset = 'applied', '', ARGV[8]
local ids, items = unpack(cmsgpack.unpack(ARGV[9]))
local ids_err = #ids > 0 and KEYS[2] ~= '' and call_in_chunks(ids, 1, #ids, 'SADD', KEYS[2])
local index, count = 1, #items
while index <= count do
  local offset = items[index]
  if offset >= stored then
    local err
    if items[index + 1] == DEAD_LETTER then
      err = error_of(call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[11], '*', 'topic', ARGV[10], 'partition', partition,
        'offset', string.format('%.0f', offset), 'key', items[index + 2], 'reason', items[index + 3],
        'value', items[index + 4]))
      outcome = err and 'retry' or outcome
      dead = dead + (err and 0 or 1)
    else
      err = ids_err or apply_message(items, index, KEYS[2])
      if err then outcome = is_transient(err) and 'retry' or 'refused' else applied = applied + 1 end
    end
    if err then
      reason, next_offset = err, string.format('%.0f', offset)
      break
    end
  end
  index = last_index(items, index) + 1
end
local err = error_of(call('HSET', KEYS[1], partition, next_offset, partition .. ':applied', applied, partition .. ':dead', dead))
if err then return { 'retry', state[1], applied, dead, err } end
return { outcome, next_offset, applied, dead, reason }
