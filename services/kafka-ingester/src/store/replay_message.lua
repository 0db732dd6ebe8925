-- Applies the messages of one hash slot, which a dead letter holds. This is for a Cluster.
-- KEYS: none, because whoever is sent to another shard behind ASK must not run it there   ARGV: 1-7 message.lua   8 the messages: see slot_messages.rs   9 set of ids, '' for none
-- Returns {'applied', [id, 1 if it must be in the set of ids, 0 if not ...]} | {'refused', error, the key if it is not the message's own}.
local ids = {}
local function note(id, is_in)
  ids[#ids + 1] = id
  ids[#ids + 1] = is_in
end
add_id = function(_, id) note(id, 1) end
remove_id = function(_, id) note(id, 0) end
local items, index = cmsgpack.unpack(ARGV[8]), 1
while index <= #items do
  local err, err_key = apply_message(items, index, ARGV[9])
  if err then return { 'refused', err, err_key or '' } end
  index = last_index(items, index) + 1
end
return { 'applied', ids }
