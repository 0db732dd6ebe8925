
-- Records, and the reference counts of contents.

local function hash_of(record) return sub(record, 1, 32) end
local function upload_of(record) return sub(record, 33, 48) end
local function length_of(record) return (unpack_bytes('>I8', record, 49)) end
-- As the original counts: a length of four bytes, metadata and data.
local function size_of(record) return 4 + #record - 56 + length_of(record) end

-- Counts are written once per batch: `ids`, `contents` and `bytes` to the statistics, `total` to the total size.
local change = { ids = 0, contents = 0, bytes = 0, total = 0 }
local function write_counts()
  for name, by in pairs(change) do
    if by ~= 0 and name == 'total' then call('INCRBY', total_size, by) end
    if by ~= 0 and name ~= 'total' then call('HINCRBY', stats, name, by) end
    change[name] = 0
  end
end

local function count_id(by, size)
  change.ids, change.total = change.ids + by, change.total + size
end

local function count_content(by, length)
  change.contents, change.bytes = change.contents + by, change.bytes + length
end

local function unlink_chunks(upload, length)
  for i = 0, math.ceil(length / CHUNK) - 1 do call('UNLINK', chunk_key .. upload .. ':' .. i) end
end

-- One more id has this content. Returns its upload and length, as in a record; false if there is no such content.
local function incr_ref(hash)
  local head = call('GETRANGE', content_key .. hash, '0', '31')
  if head == '' then return false end
  local refs = unpack_bytes('>I8', head)
  call('SETRANGE', content_key .. hash, '0', pack('>I8', refs + 1))
  if refs == 0 then
    call('ZREM', garbage, hash)
    count_content(1, (unpack_bytes('>I8', head, 25)))
  end
  return sub(head, 9)
end

-- One id less has the content of this record. A content is removed with its last id. One of many chunks becomes garbage first,
-- so that those who are reading it can finish. Who reads another one that is removed gets what its id has then.
local function decr_ref(record)
  local hash, upload = hash_of(record), upload_of(record)
  local content, length = content_key .. hash, length_of(record)
  local head = call('GETRANGE', content, '0', '7')
  if head == '' then return end
  local refs = unpack_bytes('>I8', head)
  if refs > 1 then return call('SETRANGE', content, '0', pack('>I8', refs - 1)) end
  count_content(-1, -length)
  if upload == NO_UPLOAD then
    call('UNLINK', content)
  elseif length <= CHUNK then
    call('UNLINK', content, chunk_key .. upload .. ':0')
  else
    call('SETRANGE', content, '0', pack('>I8', 0))
    call('ZADD', garbage, call('TIME')[1] + GRACE, hash)
  end
end
