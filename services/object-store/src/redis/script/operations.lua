
-- The operations, and the loop that executes them. The reply to a write is remembered, since it must not be executed twice.

local writes = {}

-- id, record: stores a small object. Its content comes in the form in which its key has it, with a reference count of one.
function writes.set()
  local id, record, content = next_argument(), next_argument(), next_content()
  local hash = hash_of(record)
  if call('SET', content_key .. hash, content, 'NX') then
    count_content(1, length_of(record))
  else
    local head = head_of(record)
    if head then
      record = hash .. incr_ref(hash, head) .. sub(record, 57)
    else
      call('SET', content_key .. hash, pack('>I8', UNKNOWN_REFS) .. sub(content, 9))
      repaired[#repaired + 1] = content_key .. hash
    end
  end
  return store(id, record)
end

-- id, record, uploaded: gives an id a content that exists already, or whose chunks have been uploaded.
function writes.link()
  local id, record, uploaded = next_argument(), next_argument(), next_argument() == '1'
  local hash, upload, length = hash_of(record), upload_of(record), length_of(record)
  local head = head_of(record)
  if head and has_chunks(sub(head, 9, 24), length) then
    local known = incr_ref(hash, head)
    if uploaded and sub(known, 1, 16) ~= upload then unlink_chunks(upload, length) end
    return store(id, hash .. known .. sub(record, 57))
  end
  if not uploaded then return 'absent' end
  for i = 0, math.ceil(length / CHUNK) - 1 do
    if call('PERSIST', chunk_key .. upload .. ':' .. i) == 0 then return 'absent' end
  end
  local is_damaged = call('EXISTS', content_key .. hash) == 1
  call('SET', content_key .. hash, pack('>I8', is_damaged and UNKNOWN_REFS or 1) .. sub(record, 33, 56))
  if is_damaged then repaired[#repaired + 1] = content_key .. hash else count_content(1, length) end
  return store(id, record)
end

-- id, age: removes an object. With an age only if it was stored at least so many seconds ago.
function writes.delete()
  local id, age = next_argument(), tonumber(next_argument())
  local record, length = lookup(id)
  if not record or age and (age_of(id, record) or -1) < age then return 'absent' end
  call('UNLINK', object_key .. id)
  release(record, length)
  return 'ok'
end

-- Gives an id the content of the original, or waits for the original.
local function duplicate(id, original, ticket)
  local record, length = lookup(original)
  if not record and is_refused(original) then
    refuse(id)
    return 'refused'
  end
  if not record then return add_waiter(original, ticket, id) end
  if record == 'legacy' then return { 'legacy', tostring(length) } end
  local head = record ~= 'damaged' and head_of(record)
  if not head then
    if record ~= 'damaged' then lose(original, record) end
    refuse(id)
    return record == 'damaged' and record or 'lost'
  end
  incr_ref(hash_of(record), head)
  local tickets = set_and_wake(id, record)
  if tickets == '' then return 'ok' end
  local reply = reply_object('ok', record)
  table.insert(reply, 2, tickets)
  return reply
end

-- id, original, ticket
function writes.duplicate()
  local id, original, ticket = next_argument(), next_argument(), next_argument()
  return duplicate(id, original, ticket)
end

-- id, original, ticket: a duplicate that its node believes to wait. If it does not wait any more, it was executed, and is not to
-- be executed again: the id may have been deleted since. Then a notification says so, unless that was lost.
function writes.recheck()
  local id, original, ticket = next_argument(), next_argument(), next_argument()
  if lookup(original) then
    local waited = call_own('ZREM', waiters_key .. original, node .. ':' .. ticket .. ':' .. id) == 1
    if not waited and call('EXISTS', notifications_key .. node) == 1 then return 'absent' end
  end
  return duplicate(id, original, ticket)
end

-- original, ticket: the original of a duplicate in another partition. Returns it, and holds a content that is not in the reply. Waits
-- for the original, also if it waits already.
function writes.hold()
  local original, ticket = next_argument(), next_argument()
  local record, length = lookup(original)
  if not record then return is_refused(original) and 'refused' or add_waiter(original, ticket, COPY) end
  if record == 'legacy' then return { 'legacy', tostring(length) } end
  if record == 'damaged' then return record end
  local request, upload = node .. ':' .. ticket .. ':', upload_of(record)
  local is_there = head_of(record) and (upload == NO_UPLOAD or has_chunks(upload, length_of(record)))
  local reply = is_there and reply_object('held', record) or 'lost'
  if reply == 'lost' then
    lose(original, record)
    return reply
  end
  call_own('ZREM', waiters_key .. original, request .. COPY)
  hold(record, request)
  return reply
end

-- ticket, hash: the content has been copied.
function writes.release()
  local ticket, hash = next_argument(), next_argument()
  release_hold(node .. ':' .. ticket .. ':' .. hash)
  return 'ok'
end

-- id: its set was refused.
function writes.refuse()
  local tickets = refuse(next_argument())
  return { 'refused', tickets }
end

-- id, ticket, duplicate: the request no longer waits.
function writes.cancel()
  local id, ticket, duplicate = next_argument(), next_argument(), next_argument()
  call_own('ZREM', waiters_key .. id, node .. ':' .. ticket .. ':' .. duplicate)
  return 'ok'
end

local reads = {}

-- id, known, ticket: returns the object, unless `known` is its record: then the node has it. If `known` is 'whole', see
-- `reply_object`. With a ticket the request waits until the object exists.
function reads.get()
  local id, known, ticket = next_argument(), next_argument(), next_argument()
  local record, length = lookup(id)
  if record == known then return 'unchanged' end
  if record == 'damaged' then return record end
  if record == 'legacy' then return { 'legacy', tostring(length) } end
  if record then
    local reply = reply_object('object', record, known == 'whole')
    if reply == 'lost' then lose(id, record) end
    return reply
  end
  if ticket == '' then return 'absent' end
  return is_refused(id) and 'refused' or add_waiter(id, ticket, '')
end

-- id: returns the length, the metadata and the age of the object.
function reads.stat()
  local id = next_argument()
  local record, length = lookup(id)
  if not record or record == 'damaged' then return record or 'absent' end
  local key, metadata = object_key .. id, nil
  if record == 'legacy' then
    local size = unpack_bytes('<I4', call('GETRANGE', key, '0', '3'))
    -- Without metadata the end is before the start, which is nothing.
    metadata, length = call('GETRANGE', key, '4', tostring(3 + size)), length - 4 - size
  else
    metadata, length = sub(record, 57), length_of(record)
  end
  return { 'stat', string.format('%.0f', length), metadata, tostring(age_of(id, record) or '') }
end

-- last: returns the notifications to this node, and removes those up to number `last`, which it has read, and what is none.
function reads.notifications()
  local key, found = notifications_key .. node, { 'notifications' }
  call_own('ZREMRANGEBYSCORE', key, '-inf', next_argument())
  local members = call('ZRANGE', key, '0', '99', 'WITHSCORES')
  for i = 1, #members, 2 do
    local member, score = members[i], tonumber(members[i + 1])
    local notification, tickets, record, rest = string.match(member, '^(%d+):(%d+):(%d+):()')
    if notification and tonumber(notification) == score and rest - 1 + tickets + record <= #member then
      found[#found + 1] = member
    else
      call('ZREM', key, member)
      repaired[#repaired + 1] = key
    end
  end
  return found
end

-- Does nothing: every batch says that the node is alive.
function reads.ping()
  return 'ok'
end

-- Returns the counts of ids, contents and bytes. Every node asks for them all the time.
function reads.totals()
  release_old_holds()
  write_counts()
  local counts = call_own('HMGET', stats, 'ids', 'contents', 'bytes')
  return { 'totals', counts[1] or '0', counts[2] or '0', counts[3] or '0' }
end

local write_arguments =
  { set = 2, link = 3, delete = 2, duplicate = 3, recheck = 3, hold = 2, release = 2, refuse = 1, cancel = 3 }
local replies, write_replies = {}, {}
local function execute(index)
  local name = next_argument()
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

-- The counts come last: if Redis refuses them, nothing is executed twice.
local function remember(numbers, field)
  if not is_executed then
    call('HSET', batch, 'number', numbers, field, cmsgpack.pack(write_replies))
    call('EXPIRE', batch, BATCH_TTL)
  end
  write_counts()
end

while cursor <= #operations do
  local index = #replies + 1
  local ok, problem = pcall(execute, index)
  if not ok then
    remember((last and string.format('%.0f', last) or '') .. '+' .. ARGV[10], 'partial')
    problem = type(problem) == 'table' and problem.err or tostring(problem)
    -- Redis before 7 begins with the line of the script.
    problem = string.gsub(string.gsub(problem, '^@?user_script: ?%d+: ', ''), '^%-', '')
    return redis.error_reply(problem .. ' (operation ' .. index .. ')')
  end
end
remember(ARGV[10], replies_field)
if #repaired > 0 then replies[#replies + 1] = { 'repaired', unpack(repaired, 1, 10) } end
return replies
