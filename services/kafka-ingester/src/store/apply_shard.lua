-- Applies what one shard of a Cluster has of a batch, and notes in the shard's witness that it did, in one step.
-- KEYS: 1 witness, which is 'epoch:number:first offset' of the last call. All other keys are on this shard too; they cannot be KEYS, which must have one hash slot.
-- ARGV: 1-7 message.lua   8 partition   9 owner's epoch   10 number of this call
--       11, 12 epoch and number of the last call that the shard acknowledged, 0 for none   13 first offset of the batch
--       14 generation of offsets   15 number of this day   16 offset after the batch   17 what the shard gets: see shard_part.rs
--       18 topic   19 dead letters kept   20 set of ids, '' for none   21 dead letters   22 their last offsets   23 time in ms
--       24 1 if messages change the set of ids one by one
-- Returns {'fenced', epoch of the owner} | {'lost', the witness, '' if there is none}
--       | {'failed', error, key}
--       | {'done', [id, 1 if it must be in the set of ids, 0 if not ...], [offset, key of the slot's offsets, error, key of the error ...]}.
-- The last list has the slots that stopped at the message of an offset; its last key is '' if it is the message's own.
local partition, epoch, number, first_offset = ARGV[8], tonumber(ARGV[9]), tonumber(ARGV[10]), tonumber(ARGV[13])
local witness = redis.call('HGET', KEYS[1], partition) or ''
local seen_epoch, seen_number = witness:match('^(%d+):(%d+):%d+$')
local seen = { tonumber(seen_epoch or 0), tonumber(seen_number or 0) }
local expected = { tonumber(ARGV[11]), tonumber(ARGV[12]) }
-- A call of another owner, or one that comes late.
if seen[1] > epoch or seen[1] == epoch and seen[2] > number then return { 'fenced', seen_epoch } end
if seen[1] < expected[1] or seen[1] == expected[1] and seen[2] < expected[2] then
  return { 'lost', witness }
end
-- If Redis would refuse to write, it does so here, before anything is published.
redis.call('HSET', KEYS[1], partition, ARGV[9] .. ':' .. ARGV[10] .. ':' .. ARGV[13])

local KEPT_S, DEAD_OFFSETS_KEPT = 8 * 86400, 1000
local id_set, dead_letters, dead_offsets, generation, end_offset = ARGV[20], ARGV[21], ARGV[22], ARGV[14], tonumber(ARGV[16])
local added_ids, removed_ids, letters, items = unpack(cmsgpack.unpack(ARGV[17]))
local failed = call_in_chunks(added_ids, 1, #added_ids, 'SADD', id_set) or call_in_chunks(removed_ids, 1, #removed_ids, 'SREM', id_set)
if failed then return { 'failed', failed, id_set } end

-- Each dead letter once, however often its batch is sent.
local index = 1
while index <= #letters do
  local offset = offset_at(letters, index)
  local member = generation .. ':' .. offset
  local known = call('ZSCORE', dead_offsets, member)
  local err = error_of(known)
  if not err and not known then
    err = error_of(call('XADD', dead_letters, 'MAXLEN', '~', ARGV[19], '*', 'topic', ARGV[18], 'partition', partition,
      'offset', offset, 'key', letters[index + 2], 'reason', letters[index + 3], 'value', letters[index + 4]))
    if not err then redis.call('ZADD', dead_offsets, ARGV[23], member) end
  end
  if err then return { 'failed', err, dead_letters } end
  index = last_index(letters, index) + 1
end
if #letters > 0 then
  redis.call('ZREMRANGEBYRANK', dead_offsets, 0, -1 - DEAD_OFFSETS_KEPT - #letters / 5)
  redis.call('EXPIRE', dead_offsets, KEPT_S)
end

-- Whether the ids of this slot's messages must be in their set. It is kept until the batch is whole, in case this reply is lost.
local slot_ids, changes_ids = {}, ARGV[24] == '1'
add_id = function(_, id) slot_ids[id] = 1 end
remove_id = function(_, id) slot_ids[id] = 0 end

-- The offset up to which a slot is applied, and whether that was written today.
local today = generation .. ':' .. ARGV[15] .. ':'
local function applied_offset(text)
  if not text then return 0, false end
  if text:sub(1, #today) == today then return tonumber(text:sub(#today + 1)), true end
  local own, offset = text:match('^([^:]*):[^:]*:(%d+)$')
  return own == generation and tonumber(offset) or 0, false
end

local ids, stopped, item_count = {}, {}, #items
index = 1
while index <= item_count do
  local key, last = items[index], index + 2 + items[index + 2]
  version_prefix = items[index + 1]
  index = index + 3
  local known = call('HGET', key, partition)
  local err, err_key, stopped_at = error_of(known), key, ARGV[13]
  if not err then
    local from, is_fresh = applied_offset(known)
    if changes_ids then
      local kept = from > first_offset and call('HGET', key, partition .. ':ids')
      slot_ids = kept and cmsgpack.unpack(kept) or {}
    end
    local up_to = ARGV[16]
    while not err and from < end_offset and index <= last do
      if items[index] >= from then err, err_key = apply_message(items, index, id_set) end
      if err then
        stopped_at = offset_at(items, index)
        up_to = stopped_at
      end
      index = last_index(items, index) + 1
    end
    if from < tonumber(up_to) then
      redis.call('HSET', key, partition, today .. up_to)
      if not is_fresh then redis.call('EXPIRE', key, KEPT_S) end
      if changes_ids then redis.call('HSET', key, partition .. ':ids', cmsgpack.pack(slot_ids)) end
    end
    for id, is_in in pairs(slot_ids) do
      ids[#ids + 1] = id
      ids[#ids + 1] = is_in
    end
  end
  if err then
    for _, value in ipairs({ stopped_at, key, err, err_key or '' }) do stopped[#stopped + 1] = value end
  end
  index = last + 1
end
return { 'done', ids, stopped }
