
-- Objects: what an id has.

-- What an id has: its record; or 'legacy' and the length of the original's string; or nil.
local function lookup(id)
  local record = redis.pcall('HGET', object_key .. id, 'o')
  if not record then return nil end
  if record.err then return 'legacy', call('STRLEN', object_key .. id) end
  return record
end

-- A reply with a record and a small content. If `whole` is true, also with a content of one chunk.
local function reply_object(name, record, whole)
  local upload = upload_of(record)
  if upload == NO_UPLOAD then return { name, record, call('GET', content_key .. hash_of(record)) } end
  if whole and length_of(record) <= CHUNK then return { name, record, call('GET', chunk_key .. upload .. ':0') } end
  return { name, record }
end

-- Releases what an id had.
local function release(id, record, length)
  if record == 'legacy' then
    call('UNLINK', object_key .. id)
    count_id(0, -length)
  else
    count_id(-1, -size_of(record))
    decr_ref(record)
  end
end

-- Gives an id a content whose reference count already includes it. What the id had is released after that, so storing the same
-- content again removes nothing.
local function set_record(id, record)
  local old, length = lookup(id)
  if old then release(id, old, length) end
  if old ~= record then call('HSET', object_key .. id, 'o', record) end
  count_id(1, size_of(record))
end
