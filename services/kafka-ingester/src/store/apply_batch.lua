-- Applies a batch of one partition and stores the offset after it, in one step.
-- KEYS: 1 offsets   2 set of ids, '' for none   3 dead letters
-- ARGV: 1-7 message.lua   8 partition   9 owner's epoch   10 first offset of the batch   11 offset after the batch   12 batch
--       13 topic   14 dead letters kept   15 bad messages in a row at which the partition stops, 0 for never
-- Returns {'fenced', epoch of the owner} | {'gap', stored offset} | {'applied', offset, applied, dead}
--       | {'all_bad', offset, applied, dead} | {'refused', offset, error, the key if it is not the message's own}.
-- What comes before the returned offset is done. applied and dead count the partition's messages of all time.
local partition = ARGV[8]
local state = redis.call('HMGET', KEYS[1], partition, partition .. ':epoch', partition .. ':applied', partition .. ':dead',
  partition .. ':bad')
if not state[1] or state[2] ~= ARGV[9] then return { 'fenced', state[2] or '' } end
local stored = tonumber(state[1])
if not stored then return { 'refused', '0', 'ERR field ' .. partition .. ' is not an offset', KEYS[1] } end
-- If Redis would refuse the offset at the end, it refuses it here, before anything is published. And if an earlier call
-- applied the batch, this write is what WAIT waits for.
redis.call('HSET', KEYS[1], partition, state[1])
if stored < tonumber(ARGV[10]) then return { 'gap', state[1] } end
local function count(text) return tonumber(text or 0) or 0 end
local applied, dead, bad_in_row, bad_in_row_max = count(state[3]), count(state[4]), count(state[5]), tonumber(ARGV[15])
if stored >= tonumber(ARGV[11]) then return { 'applied', state[1], applied, dead } end

local function add_dead_letter(items, index)
  return error_of(call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[14], '*', 'topic', ARGV[13], 'partition', partition,
    'offset', offset_at(items, index), 'key', items[index + 2], 'reason', items[index + 3], 'value', items[index + 4]))
end

local outcome, next_offset, err, err_key = 'applied', ARGV[11], nil, nil
local ids, items = unpack(cmsgpack.unpack(ARGV[12]))
local ids_err = #ids > 0 and KEYS[2] ~= '' and call_in_chunks(ids, 1, #ids, 'SADD', KEYS[2])
local index, item_count = 1, #items
while index <= item_count do
  if items[index] >= stored then
    if items[index + 1] ~= DEAD_LETTER then
      if ids_err then err, err_key = ids_err, KEYS[2] else err, err_key = apply_message(items, index, KEYS[2]) end
      if not err then applied, bad_in_row = applied + 1, 0 end
    elseif bad_in_row_max > 0 and bad_in_row >= bad_in_row_max then
      outcome, next_offset = 'all_bad', offset_at(items, index)
      break
    else
      err, err_key = add_dead_letter(items, index), KEYS[3]
      if not err then dead, bad_in_row = dead + 1, bad_in_row + 1 end
    end
    if err then
      outcome, next_offset = 'refused', offset_at(items, index)
      break
    end
  end
  index = last_index(items, index) + 1
end
redis.call('HSET', KEYS[1], partition, next_offset, partition .. ':applied', applied, partition .. ':dead', dead,
  partition .. ':bad', bad_in_row)
if outcome == 'refused' then return { outcome, next_offset, err, err_key or '' } end
return { outcome, next_offset, applied, dead }
