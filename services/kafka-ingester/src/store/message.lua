-- Functions that apply_batch.lua and replay_dead_letter.lua share: they apply one message.
-- A message is several items of one long array, as batch.rs describes them. `index` is that of a message's first item.
-- ARGV: 1 hash, json or stream   2 text to publish, '' for none   3 TTL of a key in ms, 0 for none
--       4 entries kept in a stream, 0 for all
local store_as, default_notification = ARGV[1], ARGV[2]
local ttl_ms, stream_max = tonumber(ARGV[3]), tonumber(ARGV[4])
local DEAD_LETTER, WRITE, DELETE = 0, 1, 2
-- Values that unpack may put on Lua's stack at once. It is even, so that a field stays with its value.
local CHUNK = 1000
local STREAM_ENTRY_MAX = 7000

local call = redis.pcall

-- The error text of a reply, without what Redis adds about the script; nil if the reply is no error.
local function error_of(reply)
  if type(reply) == 'table' and reply.err then
    return (reply.err:gsub('^@user_script:%s*%d+:%s*', ''):gsub('^%-', ''):gsub(',? script: %x+, on @user_script.*$', ''))
  end
end

-- Runs a command with values first to last, as often as it takes: there may be more values than Lua's stack holds.
local function call_in_chunks(values, first, last, ...)
  for start = first, last, CHUNK do
    local command = { ... }
    for i = start, math.min(start + CHUNK - 1, last) do command[#command + 1] = values[i] end
    local err = error_of(call(unpack(command)))
    if err then return err end
  end
end

-- The index of a message's last item.
local function last_index(items, index)
  if items[index + 1] == WRITE then return index + 6 + items[index + 6] end
  return index + 4
end

-- Writes the fields. Returns the error of the command that Redis refused, or nil and the id of the new entry of a stream.
local function write_fields(items, index)
  local key, unset, first, last = items[index + 2], items[index + 5], index + 7, last_index(items, index)
  if unset then
    local err = call_in_chunks(unset, 1, #unset, 'HDEL', key)
    if err then return err end
  end
  if last < first then return nil end
  if store_as == 'json' then return error_of(call('SET', key, items[last])) end
  if store_as == 'hash' then
    if last - first < CHUNK then return error_of(call('HSET', key, unpack(items, first, last))) end
    return call_in_chunks(items, first, last, 'HSET', key)
  end
  if last - first >= STREAM_ENTRY_MAX then return 'ERR more fields than a stream entry takes here' end
  local entry
  if stream_max > 0 then entry = call('XADD', key, 'MAXLEN', '~', stream_max, '*', unpack(items, first, last))
  else entry = call('XADD', key, '*', unpack(items, first, last)) end
  return error_of(entry), entry
end

-- Applies a write or a delete, then publishes. Returns the error of the first command that Redis refused, and which key it
-- is about if that is not the message's own; nil if all is done.
local function apply_message(items, index, id_set)
  local key, id, err, entry = items[index + 2], items[index + 3], nil, nil
  if items[index + 1] == DELETE then
    err = error_of(call('DEL', key))
    if err then return err end
    err = id_set ~= '' and error_of(call('SREM', id_set, id))
    if err then return err, id_set end
  else
    err = id and id_set ~= '' and error_of(call('SADD', id_set, id))
    if err then return err, id_set end
    err, entry = write_fields(items, index)
    if err then return err end
  end
  if ttl_ms > 0 and items[index + 1] == WRITE and items[index + 6] > 0 then err = error_of(call('PEXPIRE', key, ttl_ms)) end
  local notification = items[index + 4] or default_notification
  if not err and notification ~= '' then err = error_of(call('PUBLISH', key, notification)) end
  -- The message will be sent again. Everything but a stream's entry is then as if it were written once.
  if err and entry then call('XDEL', key, entry) end
  return err
end
