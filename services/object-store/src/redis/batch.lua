-- Executes operations in order and all at once. A batch that is sent again, because its answer was lost, changes nothing
-- the second time; one that comes late, after newer ones of the same node, is refused, and so is one that was sent before
-- the answer to the last, if that was not executed.
--
-- ARGV: key prefix, node, number of the batch, how it is sent, bytes of a chunk, and the operations: of each its name and
-- arguments, each behind its length (u32); then the small contents that they store, apart, since Lua hashes every byte of every
-- string that it sees. It is sent `alone`, or it `follows` another, or it needs no room and Redis is `full`.
-- Returns one reply per operation: a word that says how it ended, or an array that begins with it.
--
-- {prefix}{id}                   hash: o, the object's record. As a string: an object of the original.
-- {prefix}_meta:content:{hash}   string: how many ids have it (u64), at, length, and a small content itself
-- {prefix}_meta:chunk:{at}:{i}   string: a part of a content; it expires as long as no content has it
-- {prefix}_meta:garbage          sorted set: contents without ids, by the second of their removal
-- {prefix}_meta:wait:{id}        sorted set: requests that wait for an object, "node:ticket:" and for a duplicate its id
-- {prefix}_meta:waited           string: perhaps something waits; without it nothing does
-- {prefix}_meta:mail:{node}      sorted set: messages to a node about what it waited for, by their number
-- {prefix}_meta:node:{node}      channel: says that there is mail
-- {prefix}_meta:alive:{node}     string: the node is there
-- {prefix}_meta:batch:{node}     hash: number of a node's last batch, 0 and 1: the replies to the last even and odd one
-- {prefix}_meta:stats            hash: ids, contents, bytes; waits and mails, the numbers of the last of each
-- {prefix}_meta:total_size       string: bytes of all ids as the original counts them
--
-- A record is the hash of the content (32 bytes), at (the name of its chunks, 16 bytes, or SMALL), its length (u64) and the
-- metadata. Up to 64 bytes Redis keeps it in little room. Numbers in bytes are big-endian.
local call, sub, pack, unpack_bytes = redis.call, string.sub, struct.pack, struct.unpack
local prefix, node, number, sent = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]
local meta = prefix .. '_meta:'
local contents = meta .. 'content:'
local stats, total, garbage, batch = meta .. 'stats', meta .. 'total_size', meta .. 'garbage', meta .. 'batch:' .. node
-- In place of the name of chunks: the content is small, and lies in its own key.
local SMALL = '----------------'
local CHUNK = tonumber(ARGV[5])
-- Seconds: how long a content of many chunks can still be read without ids; how long it is remembered that a request waits,
-- that a node lives, what it was told, and what its last batch was. As text: Redis is slow to make text of a number.
local GRACE, WAIT, WAITED, ALIVE, MAIL, BATCH = 10, '60', '61', '15', '60', '3600'
-- After a first write that takes no room Redis lets a script do the others too.
if sent == 'full' then call('PERSIST', batch) end
call('SET', meta .. 'alive:' .. node, '1', 'EX', ALIVE)

local place_of_replies = tostring(number % 2)
local replayed = {}
local last = tonumber(call('HGET', batch, 'number') or nil)
if last and number <= last then
  if number < last - 1 then return redis.error_reply('STALE newer batches of this node were executed') end
  replayed = cmsgpack.unpack(call('HGET', batch, place_of_replies))
elseif sent == 'follows' and last ~= number - 1 then
  return redis.error_reply('EARLY the batch before this one was not executed')
end

local operations, cursor = ARGV[6], 1
local function arg()
  local value
  value, cursor = unpack_bytes('>I4c0', operations, cursor)
  return value
end
local contents_taken = 6
local function content_arg() contents_taken = contents_taken + 1; return ARGV[contents_taken] end

local function hash_of(record) return sub(record, 1, 32) end
local function at_of(record) return sub(record, 33, 48) end
local function length_of(record) return (unpack_bytes('>I8', record, 49)) end
-- As the original counts: a length of four bytes, metadata and data.
local function size_of(record) return 4 + #record - 56 + length_of(record) end

-- What is stored at an id: its record; or 'foreign' and the length of the original's string; or nil.
local function object(id)
  local found = redis.pcall('HGET', prefix .. id, 'o')
  if not found then return nil end
  if found.err then return 'foreign', call('STRLEN', prefix .. id) end
  return found
end

-- With a small content, and if it is wanted whole, with one of one chunk.
local function reply_object(name, record, whole)
  local at = at_of(record)
  if at == SMALL then return { name, record, call('GET', contents .. hash_of(record)) } end
  if whole and length_of(record) <= CHUNK then return { name, record, call('GET', meta .. 'chunk:' .. at .. ':0') } end
  return { name, record }
end

-- Counts change once a batch: `ids`, `contents` and `bytes` in the stats, and `total`.
local change = { ids = 0, contents = 0, bytes = 0, total = 0 }
local function write_changes()
  for name, by in pairs(change) do
    if by ~= 0 and name == 'total' then call('INCRBY', total, by) end
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

local function unlink_chunks(at, length)
  for i = 0, math.ceil(length / CHUNK) - 1 do call('UNLINK', meta .. 'chunk:' .. at .. ':' .. i) end
end

-- One id more has this content: false if there is no such content, otherwise where it is and its length, as in a record.
local function gain(hash)
  local head = call('GETRANGE', contents .. hash, '0', '31')
  if head == '' then return false end
  local ids = unpack_bytes('>I8', head)
  call('SETRANGE', contents .. hash, '0', pack('>I8', ids + 1))
  if ids == 0 then
    call('ZREM', garbage, hash)
    count_content(1, (unpack_bytes('>I8', head, 25)))
  end
  return sub(head, 9)
end

-- One id less has the content of a record. It goes with its last id: that of many chunks when whoever is reading it has had
-- time to, others at once, and those who read are told what there is then.
local function lose(record)
  local hash, at = hash_of(record), at_of(record)
  local content, length = contents .. hash, length_of(record)
  local head = call('GETRANGE', content, '0', '7')
  if head == '' then return end
  local ids = unpack_bytes('>I8', head)
  if ids > 1 then return call('SETRANGE', content, '0', pack('>I8', ids - 1)) end
  count_content(-1, -length)
  if at == SMALL then
    call('UNLINK', content)
  elseif length <= CHUNK then
    call('UNLINK', content, meta .. 'chunk:' .. at .. ':0')
  else
    call('SETRANGE', content, '0', pack('>I8', 0))
    call('ZADD', garbage, call('TIME')[1] + GRACE, hash)
  end
end

-- Lets go of what an id had.
local function release(id, record, length)
  if record == 'foreign' then
    call('UNLINK', prefix .. id)
    count_id(0, -length)
  else
    count_id(-1, -size_of(record))
    lose(record)
  end
end

-- Gives an id a content that has been counted for it; what it had is let go after that, so that what is stored again stays.
local function put(id, record)
  local old, length = object(id)
  if old then release(id, old, length) end
  if old ~= record then call('HSET', prefix .. id, 'o', record) end
  count_id(1, size_of(record))
end

local waited, noted
local function something_waits()
  if waited == nil then waited = call('EXISTS', meta .. 'waited') == 1 end
  return waited
end

-- Notes that a request of this node waits for an id; `copy` is the id that a duplicate will have, or empty.
local function wait(id, ticket, copy)
  local key = meta .. 'wait:' .. id
  call('ZADD', key, 'NX', call('HINCRBY', stats, 'waits', '1'), node .. ':' .. ticket .. ':' .. copy)
  call('EXPIRE', key, WAIT)
  if not noted then call('SET', meta .. 'waited', '1', 'EX', WAITED) end
  noted, waited = true, true
  return 'absent'
end

local lives = { [node] = true }
local function is_alive(other)
  if lives[other] == nil then lives[other] = call('EXISTS', meta .. 'alive:' .. other) == 1 end
  return lives[other]
end

-- Puts what waits for an id on the stack, so that the oldest is on top.
local function push_waiting(stack, id)
  local key = meta .. 'wait:' .. id
  local waiting = call('ZREVRANGE', key, '0', '-1')
  if #waiting > 0 then call('UNLINK', key) end
  for _, entry in ipairs(waiting) do stack[#stack + 1] = entry end
end

-- As `put`; then whatever waited for it has happened too: duplicates, and what waited for those in turn, each right after
-- its original. Other nodes are told the tickets of their requests; returns those of this one, separated by commas.
local function link(id, record)
  put(id, record)
  if not something_waits() then return '' end
  local stack, woken = {}, {}
  push_waiting(stack, id)
  while #stack > 0 do
    local other, ticket, copy = string.match(table.remove(stack), '^(%x+):(%d+):(%x*)$')
    if is_alive(other) then
      woken[other] = woken[other] or {}
      table.insert(woken[other], ticket)
      if copy ~= '' then
        gain(hash_of(record))
        put(copy, record)
        push_waiting(stack, copy)
      end
    end
  end
  local own = table.concat(woken[node] or {}, ',')
  woken[node] = nil
  if next(woken) then
    local content = reply_object('object', record)[3] or ''
    for other, tickets in pairs(woken) do
      tickets = table.concat(tickets, ',')
      local mail, number = meta .. 'mail:' .. other, call('HINCRBY', stats, 'mails', '1')
      -- Its number makes every message another member of the set.
      call('ZADD', mail, number, string.format('%d:%d:%d:', number, #tickets, #record) .. tickets .. record .. content)
      call('EXPIRE', mail, MAIL)
      call('PUBLISH', meta .. 'node:' .. other, '')
    end
  end
  return own
end

-- With the tickets of what thereby has happened on this node.
local function stored(id, record)
  local tickets = link(id, record)
  return tickets == '' and 'ok' or { 'ok', tickets }
end

local changes = {}

-- id, record: stores a small object. Its content comes as its key has it, with one id.
function changes.set()
  local id, record, content = arg(), arg(), content_arg()
  local hash = hash_of(record)
  if call('SET', contents .. hash, content, 'NX') then
    count_content(1, length_of(record))
  else
    record = hash .. gain(hash) .. sub(record, 57)
  end
  return stored(id, record)
end

-- id, record, uploaded: gives an id a content that is there already, or whose chunks have been uploaded.
function changes.link()
  local id, record, uploaded = arg(), arg(), arg() == '1'
  local hash, at, length = hash_of(record), at_of(record), length_of(record)
  local known = gain(hash)
  if known then
    if uploaded and sub(known, 1, 16) ~= at then unlink_chunks(at, length) end
    return stored(id, hash .. known .. sub(record, 57))
  end
  if not uploaded then return 'absent' end
  for i = 0, math.ceil(length / CHUNK) - 1 do
    if call('PERSIST', meta .. 'chunk:' .. at .. ':' .. i) == 0 then return 'absent' end
  end
  call('SET', contents .. hash, pack('>I8', 1) .. sub(record, 33, 56))
  count_content(1, length)
  return stored(id, record)
end

function changes.delete()
  local id = arg()
  local record, length = object(id)
  if not record then return 'absent' end
  release(id, record, length)
  call('UNLINK', prefix .. id)
  return 'ok'
end

-- id, original, ticket: waits for the original if there is none.
function changes.duplicate()
  local id, original, ticket = arg(), arg(), arg()
  local record, length = object(original)
  if not record then return wait(original, ticket, id) end
  if record == 'foreign' then return { 'foreign', tostring(length) } end
  gain(hash_of(record))
  local tickets = link(id, record)
  if tickets == '' then return 'ok' end
  local reply = reply_object('ok', record)
  table.insert(reply, 2, tickets)
  return reply
end

-- id, ticket, copy: the request does not wait any more.
function changes.forget()
  local id, ticket, copy = arg(), arg(), arg()
  call('ZREM', meta .. 'wait:' .. id, node .. ':' .. ticket .. ':' .. copy)
  return 'ok'
end

local reads = {}

-- id, known, ticket: the object, unless the node has the one with this record; 'whole' is as in `reply_object`. With a ticket
-- it waits for the object.
function reads.get()
  local id, known, ticket = arg(), arg(), arg()
  local record, length = object(id)
  if record == known then return 'same' end
  if record == 'foreign' then return { 'foreign', tostring(length) } end
  if record then return reply_object('object', record, known == 'whole') end
  return ticket ~= '' and wait(id, ticket, '') or 'absent'
end

function reads.stat()
  local record, length = object(arg())
  if record == 'foreign' then return { 'foreign', tostring(length) } end
  return record and { 'stat', record } or 'absent'
end

-- last: the messages to this node, those up to number `last` having been read.
function reads.mail()
  local mail = meta .. 'mail:' .. node
  call('ZREMRANGEBYSCORE', mail, '-inf', arg())
  return { 'mail', unpack(call('ZRANGE', mail, '0', '99')) }
end

-- Nothing: the batch itself says that the node lives.
function reads.alive()
  return 'ok'
end

function reads.totals()
  write_changes()
  local found = call('HMGET', stats, 'ids', 'contents', 'bytes')
  return { 'totals', found[1] or '0', found[2] or '0', found[3] or '0' }
end

local arity = { set = 2, link = 3, delete = 1, duplicate = 3, forget = 3 }
local replies, changed = {}, {}
while cursor <= #operations do
  local name, place = arg(), #replies + 1
  if reads[name] then
    replies[place] = reads[name]()
  elseif replayed[place] then
    replies[place] = replayed[place]
    for _ = 1, arity[name] do arg() end
    if name == 'set' then content_arg() end
  else
    replies[place] = changes[name]()
  end
  if changes[name] then changed[place] = replies[place] end
end
write_changes()
if not last or number > last then
  call('HSET', batch, 'number', ARGV[3], place_of_replies, cmsgpack.pack(changed))
  call('EXPIRE', batch, BATCH)
end
return replies
