-- Functions that apply_batch.lua, apply_shard.lua, replay_dead_letter.lua and replay_message.lua share: they apply one message.
-- A message is several items of one long array, as batch.rs describes them. `index` is that of a message's first item.
-- ARGV: 1 hash, json, stream or sorted-set   2 text to publish, '' for none   3 TTL of a key in ms, 0 for none
--       4 entries kept in a stream, 0 for all   5 what the keys of versions begin with, '' if there are no versions
--       6 how long a version is kept after its key is gone, in ms   7 PUBLISH or SPUBLISH
local store_as, default_notification = ARGV[1], ARGV[2]
local ttl_ms, stream_max = tonumber(ARGV[3]), tonumber(ARGV[4])
local version_prefix, has_versions, versions_kept_ms = ARGV[5], ARGV[5] ~= '', ARGV[6]
local publish = ARGV[7]
local DEAD_LETTER, WRITE, DELETE, REMOVE = 0, 1, 2, 3
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

-- The set of ids. On a Cluster it is elsewhere: apply_shard.lua replaces these two.
local function add_id(id_set, id) return error_of(call('SADD', id_set, id)) end
local function remove_id(id_set, id) return error_of(call('SREM', id_set, id)) end

-- The offset of a message, as text.
local function offset_at(items, index) return string.format('%.0f', items[index]) end

-- The index of a message's last item.
local function last_index(items, index)
  local kind = items[index + 1]
  if kind == WRITE then return index + 6 + items[index + 6] end
  return kind == DEAD_LETTER and index + 4 or index + 5
end

-- Writes the fields. Returns the error of the command that Redis refused, or nil and the id of the new entry of a stream.
local function write_fields(items, index)
  local key, extras, first, last = items[index + 2], items[index + 5], index + 7, last_index(items, index)
  local unset = extras and extras[2]
  if unset then
    local err = call_in_chunks(unset, 1, #unset, 'HDEL', key)
    if err then return err end
  end
  if last < first then return nil end
  if store_as == 'json' then return error_of(call('SET', key, items[last])) end
  if store_as == 'sorted-set' then return error_of(call('ZADD', key, items[first], items[last])) end
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

-- Sets when the key expires: as the message says, or as the settings do.
local function expire(key, extras)
  if extras and extras[3] then return error_of(call(extras[3], key, extras[4])) end
  if ttl_ms > 0 then return error_of(call('PEXPIRE', key, ttl_ms)) end
end

-- Whether version `a` is before version `b`. They are texts of digits: Lua's numbers are exact only up to 2^53.
local function is_before(a, b)
  if #a ~= #b then return #a < #b end
  return a < b
end

-- Keeps the version of a key: for ever, or for some time after the key is gone. A delete without a version keeps the last.
local function keep_version(version_key, extras, is_delete)
  if not extras then return error_of(call('PEXPIRE', version_key, versions_kept_ms)) end
  local version, command = extras[1], extras[3]
  if is_delete then return error_of(call('SET', version_key, version, 'PX', versions_kept_ms)) end
  if not command and ttl_ms == 0 then return error_of(call('SET', version_key, version)) end
  local option, ms = command == 'PEXPIREAT' and 'PXAT' or 'PX', command and tonumber(extras[4]) or ttl_ms
  return error_of(call('SET', version_key, version, option, string.format('%.0f', ms + versions_kept_ms)))
end

-- Deletes a key or removes a member, and removes the id of a key that is gone. Returns as apply_message does.
local function delete(items, index, id_set)
  local key, err = items[index + 2], nil
  if items[index + 1] == REMOVE then
    err = error_of(call('ZREM', key, items[index + 5]))
    if err or id_set == '' then return err end
    local left = call('ZCARD', key)
    if left ~= 0 then return error_of(left) end
  else
    err = error_of(call('DEL', key))
    if err or id_set == '' then return err end
  end
  err = remove_id(id_set, items[index + 3])
  if err then return err, id_set end
end

-- Applies a write or a delete, then publishes, unless the key has had a newer version. Returns the error of the first command
-- that Redis refused, and which key it is about if that is not the message's own; nil if all is done.
local function apply_message(items, index, id_set)
  local kind, key, id, extras = items[index + 1], items[index + 2], items[index + 3], items[index + 5]
  local version_key, err, err_key, entry = has_versions and version_prefix .. key, nil, nil, nil
  if version_key and extras then
    local known = call('GET', version_key)
    err = error_of(known)
    if err then return err, version_key end
    if known and is_before(extras[1], known) then return nil end
  end
  if kind == WRITE then
    err = id and id_set ~= '' and add_id(id_set, id)
    if err then return err, id_set end
    err, entry = write_fields(items, index)
    if err then return err end
    if (extras or ttl_ms > 0) and items[index + 6] > 0 then err = expire(key, extras) end
  else
    err, err_key = delete(items, index, id_set)
    if err then return err, err_key end
  end
  if not err and version_key then err, err_key = keep_version(version_key, extras, kind == DELETE), version_key end
  local notification = items[index + 4] or default_notification
  if not err and notification ~= '' then err, err_key = error_of(call(publish, key, notification)), nil end
  -- The message will be sent again. Everything but a stream's entry is then as if it were written once.
  if err and entry then call('XDEL', key, entry) end
  if err then return err, err_key end
end
