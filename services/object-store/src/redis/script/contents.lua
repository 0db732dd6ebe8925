
-- Records, and the reference counts of contents.

local function hash_of(record) return sub(record, 1, 32) end
local function upload_of(record) return sub(record, 33, 48) end
local function length_of(record) return (unpack_bytes('>I8', record, 49)) end
-- As the original counts: a length of four bytes, metadata and data.
local function size_of(record) return 4 + #record - 56 + length_of(record) end

-- Adds to a number of the statistics, or to the total size, and returns the sum. One that is damaged begins anew.
local function add(name, by)
  local key, sum = stats, nil
  if name == 'total' then key, sum = total_size, try('INCRBY', total_size, by) else sum = try('HINCRBY', stats, name, by) end
  -- These must grow even if the statistics are lost, so they begin with the time.
  local grows = name == 'waits' or name == 'mails'
  local is_number = type(sum) == 'number'
  if is_number and (sum > 1 or not grows) then return sum end
  if not is_number then
    repaired[#repaired + 1] = key
    local is_overflow = find(sum.err, 'integer', 1, true) or find(sum.err, 'overflow', 1, true)
    if name == 'total' and (is_overflow or is_wrong_type(sum)) then return call('SET', key, math.max(by, 0)) end
    if not is_overflow and is_wrong_type(sum) then call('UNLINK', key) end
  end
  local time = call('TIME')
  call('HSET', stats, name, grows and string.format('%.0f', time[1] * 1000000 + time[2]) or '0')
  return call('HINCRBY', stats, name, by)
end

-- Counts are written once per batch: `ids`, `contents` and `bytes` to the statistics, `total` to the total size.
local change
local function begin_counts() change = { ids = 0, contents = 0, bytes = 0, total = 0 } end

local function write_counts()
  for name, by in pairs(change) do
    if by ~= 0 then add(name, by) end
    change[name] = 0
  end
end

local function count_id(by, size)
  change.ids, change.total = change.ids + by, change.total + size
end

local function count_content(by, length)
  change.contents, change.bytes = change.contents + by, change.bytes + length
end

-- Stops when many chunks in a row are missing: then the length is not to be trusted.
local function unlink_chunks(upload, length)
  local missing = 0
  for i = 0, math.ceil(length / CHUNK) - 1 do
    missing = call('UNLINK', chunk_key .. upload .. ':' .. i) == 0 and missing + 1 or 0
    if missing > 64 then return end
  end
end

-- Whether all chunks of an upload are there, in full length.
local function has_chunks(upload, length)
  for i = 0, math.ceil(length / CHUNK) - 1 do
    local stored = try('STRLEN', chunk_key .. upload .. ':' .. i)
    if is_wrong_type(stored) or stored ~= math.min(CHUNK, length - i * CHUNK) then return false end
  end
  return true
end

-- The head of the content of a record: reference count, upload and length. Returns false if there is none, or it is damaged.
local function head_of(record)
  local key = content_key .. hash_of(record)
  local head = try('GETRANGE', key, '0', '31')
  if is_wrong_type(head) or #head < 32 or sub(head, 25) ~= sub(record, 49, 56) then return false end
  local is_small = sub(head, 9, 24) == NO_UPLOAD
  return (not is_small or call('STRLEN', key) == 32 + length_of(record)) and head
end

-- One more id has the content with this head. Returns its upload and length, as in a record.
local function incr_ref(hash, head)
  local refs = unpack_bytes('>I8', head)
  call('SETRANGE', content_key .. hash, '0', pack('>I8', refs + 1))
  if refs == 0 then
    call_own('ZREM', garbage, hash)
    count_content(1, (unpack_bytes('>I8', head, 25)))
  end
  return sub(head, 9)
end

-- One id less has the content of this record. A content is removed with its last id. One of many chunks becomes garbage first,
-- so that those who are reading it can finish. Who reads another one that is removed gets what its id has then.
local function decr_ref(record)
  local hash, length = hash_of(record), length_of(record)
  local content = content_key .. hash
  local head = try('GETRANGE', content, '0', '31')
  if is_wrong_type(head) or #head < 32 then return end
  local refs, upload = unpack_bytes('>I8', head), sub(head, 9, 24)
  if refs > 1 then return call('SETRANGE', content, '0', pack('>I8', refs - 1)) end
  count_content(-1, -length)
  if upload == NO_UPLOAD then
    call('UNLINK', content)
  elseif length <= CHUNK then
    call('UNLINK', content, chunk_key .. upload .. ':0')
  else
    call('SETRANGE', content, '0', pack('>I8', 0))
    call_own('ZADD', garbage, now() + GRACE, hash)
  end
end

-- The node of this request ("node:ticket:") copies the content of a record, which stays for it until it is released. A small one is
-- in the reply, or in the notification.
local function hold(record, request)
  if upload_of(record) == NO_UPLOAD then return end
  local hash, head = hash_of(record), head_of(record)
  if head and call_own('ZADD', holds, 'NX', now() + HOLD_TTL, request .. hash) == 1 then incr_ref(hash, head) end
end

-- Ends a hold, unless it has ended.
local function release_hold(held)
  if call_own('ZREM', holds, held) == 0 then return end
  local hash = sub(held, -32)
  local head = try('GETRANGE', content_key .. hash, '0', '31')
  if not is_wrong_type(head) and #head == 32 then decr_ref(hash .. sub(head, 9)) end
end

-- Ends the holds of nodes that have not done so in time: they have died.
local function release_old_holds()
  for _, held in ipairs(call_own('ZRANGEBYSCORE', holds, '-inf', now(), 'LIMIT', '0', '100')) do release_hold(held) end
end
