
-- Objects: what an id has.

-- What an id has: its record; or 'legacy' and the length of the original's string; or 'damaged'; or nil.
local function lookup(id)
  local record = try('HGET', object_key .. id, 'o')
  if not record then return nil end
  if is_wrong_type(record) then
    local key = object_key .. id
    local length = try('STRLEN', key)
    if is_wrong_type(length) or length < 4 then return 'damaged' end
    if unpack_bytes('<I4', call('GETRANGE', key, '0', '3')) + 4 > length then return 'damaged' end
    return 'legacy', length
  end
  -- No length has more than six bytes.
  if #record < 56 or sub(record, 49, 50) ~= '\0\0' then return 'damaged' end
  return record
end

-- How many seconds ago an object was stored. Nil for one of the original, or of a version that did not write it.
local function age_of(id, record)
  local stored = record ~= 'legacy' and record ~= 'damaged' and tonumber(call('HGET', object_key .. id, 't') or '')
  return stored and math.max(now() - stored, 0) or nil
end

-- A reply with a record and a small content. If `whole` is true, also with a content of one chunk. `lost` if the content is
-- missing, or then any chunk.
local function reply_object(name, record, whole)
  local upload, length = upload_of(record), length_of(record)
  if upload == NO_UPLOAD then
    local content = try('GET', content_key .. hash_of(record))
    if not content or is_wrong_type(content) or #content ~= 32 + length then return 'lost' end
    return { name, record, content }
  end
  if not whole then return { name, record } end
  if not has_chunks(upload, length) then return 'lost' end
  return { name, record, length <= CHUNK and call('GET', chunk_key .. upload .. ':0') or nil }
end

-- Releases what an id had, and has no more. Redis may refuse the middle of an operation, which is then executed again: what is
-- not released is a waste of memory, but what is released twice is lost.
local function release(record, length)
  if record == 'legacy' or record == 'damaged' then
    count_id(0, -(length or 0))
  else
    count_id(-1, -size_of(record))
    decr_ref(record)
  end
end

local may_be_refused
local function any_is_refused()
  if may_be_refused == nil then may_be_refused = call('EXISTS', refused_flag) == 1 end
  return may_be_refused
end

-- Whether the set of an id was refused a while ago.
local function is_refused(id)
  return any_is_refused() and call('EXISTS', refused_key .. id) == 1
end

-- Gives an id a content whose reference count already includes it. What the id had is released after that, so storing the same
-- content again removes nothing.
local function set_record(id, record)
  local old, length = lookup(id)
  if old == 'legacy' or old == 'damaged' then call('UNLINK', object_key .. id) end
  call('HSET', object_key .. id, 'o', record, 't', now())
  if any_is_refused() then call('UNLINK', refused_key .. id) end
  count_id(1, size_of(record))
  if old then release(old, length) end
end
