
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

-- Does nothing.
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
local replies, write_replies
-- Whether the batch has been executed before; its replies to writes, as far as it has been; and whether no other batch has been.
local is_executed, replayed, is_first_memory
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

-- A batch that only reads needs no memory of it. The counts come last: if Redis refuses them, nothing is executed twice.
local function remember(numbers, field)
  if not is_executed and next(write_replies) then
    call('HSET', batch, 'number', numbers, field, cmsgpack.pack(write_replies))
    if is_first_memory or upkeep ~= '' then call('EXPIRE', batch, BATCH_TTL) end
  end
  write_counts()
end

-- An error as text: Redis before 7 begins with the line of the script.
local function error_text(problem)
  problem = type(problem) == 'table' and problem.err or tostring(problem)
  return (string.gsub(string.gsub(problem, '^@?user_script: ?%d+: ', ''), '^%-', ''))
end

-- Executes the next batch. Returns its replies, or its error.
local function execute_batch(is_first)
  take_batch(is_first)
  replies, write_replies, replayed, repaired = {}, {}, {}, {}
  flag_is_set, alive_nodes = nil, { [node] = true }
  begin_counts()

  -- Usually none of them is there, so they are asked for together. Where this shard has not got the slot, this fails.
  if call('EXISTS', trial, waited_flag, refused_flag) == 0 then
    is_waited, may_be_refused = false, false
  else
    is_waited, may_be_refused = nil, nil
  end
  -- After a first write that takes no memory, a full Redis allows a script its other writes.
  if mode == 'full' then call('PERSIST', batch) end
  if upkeep ~= '' then call('SET', alive, '1', 'EX', ALIVE_TTL) end
  if upkeep == 'trial' then try_commands() end

  local own, replies_field = tonumber(number), tostring(number % 2)
  local numbers = call_own('HGET', batch, 'number') or ''
  local last, partial = tonumber(numbers), nil
  if not last then
    last, partial = string.match(numbers, '^(%d*)%+(%d+)$')
    last, partial = tonumber(last), tonumber(partial)
  end
  is_executed, is_first_memory = last ~= nil and own <= last, numbers == ''
  if is_executed and own < last - 1 then return 'STALE newer batches of this node were executed' end
  if is_executed or own == partial then
    local ok, packed = pcall(cmsgpack.unpack, call('HGET', batch, is_executed and replies_field or 'partial'))
    if ok and type(packed) == 'table' then replayed = packed end
  elseif mode == 'follows' and ((last or 0) ~= tonumber(after) or partial) then
    return 'EARLY the batch before this one was not executed'
  end

  while cursor <= #operations do
    local index = #replies + 1
    local ok, problem = pcall(execute, index)
    if not ok then
      remember((last and string.format('%.0f', last) or '') .. '+' .. number, 'partial')
      return error_text(problem) .. ' (operation ' .. index .. ')'
    end
  end
  remember(number, replies_field)
  if #repaired > 0 then replies[#replies + 1] = { 'repaired', unpack(repaired, 1, 10) } end
  return replies
end

local results = {}
repeat
  local ok, result = pcall(execute_batch, #results == 0)
  results[#results + 1] = ok and result or error_text(result)
until argument >= #ARGV
return results
