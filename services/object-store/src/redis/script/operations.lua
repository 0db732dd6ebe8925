
-- The operations, and the loop that executes them. The reply to a write is remembered, since it must not be executed twice.

local writes = {}

-- id, record: stores a small object. Its content comes in the form in which its key has it, with a reference count of one.
function writes.set()
  local id, record, content = next_argument(), next_argument(), next_content()
  local hash = hash_of(record)
  if call('SET', content_key .. hash, content, 'NX') then
    count_content(1, length_of(record))
  else
    record = hash .. incr_ref(hash) .. sub(record, 57)
  end
  return store(id, record)
end

-- id, record, uploaded: gives an id a content that exists already, or whose chunks have been uploaded.
function writes.link()
  local id, record, uploaded = next_argument(), next_argument(), next_argument() == '1'
  local hash, upload, length = hash_of(record), upload_of(record), length_of(record)
  local known = incr_ref(hash)
  if known then
    if uploaded and sub(known, 1, 16) ~= upload then unlink_chunks(upload, length) end
    return store(id, hash .. known .. sub(record, 57))
  end
  if not uploaded then return 'absent' end
  for i = 0, math.ceil(length / CHUNK) - 1 do
    if call('PERSIST', chunk_key .. upload .. ':' .. i) == 0 then return 'absent' end
  end
  call('SET', content_key .. hash, pack('>I8', 1) .. sub(record, 33, 56))
  count_content(1, length)
  return store(id, record)
end

-- id: removes an object.
function writes.delete()
  local id = next_argument()
  local record, length = lookup(id)
  if not record then return 'absent' end
  release(id, record, length)
  call('UNLINK', object_key .. id)
  return 'ok'
end

-- id, original, ticket: gives an id the content of the original, or waits for the original.
function writes.duplicate()
  local id, original, ticket = next_argument(), next_argument(), next_argument()
  local record, length = lookup(original)
  if not record then return add_waiter(original, ticket, id) end
  if record == 'legacy' then return { 'legacy', tostring(length) } end
  incr_ref(hash_of(record))
  local tickets = set_and_wake(id, record)
  if tickets == '' then return 'ok' end
  local reply = reply_object('ok', record)
  table.insert(reply, 2, tickets)
  return reply
end

-- id, ticket, duplicate: the request no longer waits.
function writes.cancel()
  local id, ticket, duplicate = next_argument(), next_argument(), next_argument()
  call('ZREM', waiters_key .. id, node .. ':' .. ticket .. ':' .. duplicate)
  return 'ok'
end

local reads = {}

-- id, known, ticket: returns the object, unless `known` is its record: then the node has it. If `known` is 'whole', see
-- `reply_object`. With a ticket the request waits until the object exists.
function reads.get()
  local id, known, ticket = next_argument(), next_argument(), next_argument()
  local record, length = lookup(id)
  if record == known then return 'unchanged' end
  if record == 'legacy' then return { 'legacy', tostring(length) } end
  if record then return reply_object('object', record, known == 'whole') end
  return ticket ~= '' and add_waiter(id, ticket, '') or 'absent'
end

-- id: returns the record of the object.
function reads.stat()
  local record, length = lookup(next_argument())
  if record == 'legacy' then return { 'legacy', tostring(length) } end
  return record and { 'stat', record } or 'absent'
end

-- last: returns the notifications to this node, and removes those up to number `last`, which it has read.
function reads.notifications()
  local key = notifications_key .. node
  call('ZREMRANGEBYSCORE', key, '-inf', next_argument())
  return { 'notifications', unpack(call('ZRANGE', key, '0', '99')) }
end

-- Does nothing: every batch says that the node is alive.
function reads.ping()
  return 'ok'
end

-- Returns the counts of ids, contents and bytes.
function reads.totals()
  write_counts()
  local counts = call('HMGET', stats, 'ids', 'contents', 'bytes')
  return { 'totals', counts[1] or '0', counts[2] or '0', counts[3] or '0' }
end

local write_arguments = { set = 2, link = 3, delete = 1, duplicate = 3, cancel = 3 }
local replies, write_replies = {}, {}
while cursor <= #operations do
  local name, index = next_argument(), #replies + 1
  if reads[name] then
    replies[index] = reads[name]()
  elseif replayed[index] then
    replies[index] = replayed[index]
    for _ = 1, write_arguments[name] do next_argument() end
    if name == 'set' then next_content() end
  else
    replies[index] = writes[name]()
  end
  if writes[name] then write_replies[index] = replies[index] end
end
write_counts()
if not last or number > last then
  call('HSET', batch, 'number', ARGV[9], replies_field, cmsgpack.pack(write_replies))
  call('EXPIRE', batch, BATCH_TTL)
end
return replies
