-- Executes operations in order and all at once. A batch that is sent again, because its answer was lost, changes nothing
-- the second time; one that comes late, after a newer one of the same node, is refused.
--
-- ARGV: key prefix, node, number of the batch; then for each operation its name and arguments.
-- Returns one reply per operation, an array whose first element says how it ended.
--
-- {prefix}{id}                   hash: hash, length, metadata. As a string: an object of the original.
-- {prefix}_meta:content:{hash}   hash: length, ids (how many have it), data or at (the name of its chunks)
-- {prefix}_meta:chunk:{at}:{i}   string: 1 MiB of a content
-- {prefix}_meta:garbage          sorted set: contents without ids and unfinished uploads, by the second of their removal
-- {prefix}_meta:wait:{id}        sorted set: requests that wait for an object, "node:ticket:" and for a duplicate its id
-- {prefix}_meta:mail:{node}      sorted set: messages to a node about what it waited for, by their number
-- {prefix}_meta:node:{node}      channel: says that there is mail
-- {prefix}_meta:alive:{node}     string: the node is there
-- {prefix}_meta:batch:{node}     hash: number and replies of a node's last batch
-- {prefix}_meta:stats            hash: ids, contents, bytes; waits and mails, the numbers of the last of each
-- {prefix}_meta:total_size       string: bytes of all ids as the original counts them
local prefix, node, number = ARGV[1], ARGV[2], tonumber(ARGV[3])
local meta = prefix .. '_meta:'
local stats, total, garbage, batch = meta .. 'stats', meta .. 'total_size', meta .. 'garbage', meta .. 'batch:' .. node
local now = tonumber(redis.call('TIME')[1])
-- Seconds: how long a content without ids can still be read, how long an upload may take; how long it is remembered that
-- a request waits, that a node lives, what it was told, and what its last batch was.
local GRACE, UPLOAD, WAIT, ALIVE, MAIL, BATCH = 10, 600, 60, 15, 60, 3600
redis.call('SET', meta .. 'alive:' .. node, 1, 'EX', ALIVE)

local replayed = {}
local last = tonumber(redis.call('HGET', batch, 'number') or -1)
if number < last then return redis.error_reply('STALE a newer batch of this node was executed') end
if number == last then replayed = cmsgpack.unpack(redis.call('HGET', batch, 'replies')) end

local cursor = 3
local function arg() cursor = cursor + 1; return ARGV[cursor] end

-- What is stored at an id: hash, length, metadata; or 'foreign' and the length of the original's string; or nil.
local function object(id)
  local found = redis.pcall('HMGET', prefix .. id, 'hash', 'length', 'metadata')
  if found.err then return 'foreign', redis.call('STRLEN', prefix .. id) end
  if not found[1] then return nil end
  return found[1], tonumber(found[2]), found[3]
end

local function reply_object(name, hash, length, metadata)
  local content = redis.call('HMGET', meta .. 'content:' .. hash, 'at', 'data')
  return { name, hash, tostring(length), metadata, content[1] or '', content[2] or '' }
end

-- Counts change once a batch: `ids`, `contents` and `bytes` in the stats, and `total`.
local change = { ids = 0, contents = 0, bytes = 0, total = 0 }
local function write_changes()
  for name, by in pairs(change) do
    if by ~= 0 and name == 'total' then redis.call('INCRBY', total, by) end
    if by ~= 0 and name ~= 'total' then redis.call('HINCRBY', stats, name, by) end
    change[name] = 0
  end
end

local function count(ids, contents, bytes, size)
  change.ids, change.contents = change.ids + ids, change.contents + contents
  change.bytes, change.total = change.bytes + bytes, change.total + size
end

-- Lets go of what an id has; false if it has nothing. A content goes with its last id: chunks when nobody can be reading
-- them any more, others at once.
local function release(id)
  local hash, length, metadata = object(id)
  if not hash then return false end
  if hash == 'foreign' then
    redis.call('UNLINK', prefix .. id)
    count(0, 0, 0, -length)
    return true
  end
  count(-1, 0, 0, -(4 + #metadata + length))
  local content = meta .. 'content:' .. hash
  if redis.call('HINCRBY', content, 'ids', -1) <= 0 then
    count(0, -1, -length, 0)
    if redis.call('HEXISTS', content, 'at') == 1 then
      redis.call('ZADD', garbage, now + GRACE, hash)
    else
      redis.call('UNLINK', content)
    end
  end
  return true
end

-- Gives an id a content that exists, or that is small and comes along. It is counted before the old one is let go: what is
-- stored again stays.
local function put(id, hash, length, metadata, data)
  local content = meta .. 'content:' .. hash
  if redis.call('HINCRBY', content, 'ids', 1) == 1 then
    count(0, 1, length, 0)
    if data then redis.call('HSET', content, 'length', length, 'data', data) else redis.call('ZREM', garbage, hash) end
  end
  release(id)
  redis.call('HSET', prefix .. id, 'hash', hash, 'length', length, 'metadata', metadata)
  count(1, 0, 0, 4 + #metadata + length)
end

-- Notes that a request of this node waits for an id; `copy` is the id that a duplicate will have, or empty.
local function wait(id, ticket, copy)
  local key = meta .. 'wait:' .. id
  redis.call('ZADD', key, 'NX', redis.call('HINCRBY', stats, 'waits', 1), node .. ':' .. ticket .. ':' .. copy)
  redis.call('EXPIRE', key, WAIT)
  return { 'absent' }
end

local lives = { [node] = true }
local function is_alive(other)
  if lives[other] == nil then lives[other] = redis.call('EXISTS', meta .. 'alive:' .. other) == 1 end
  return lives[other]
end

-- Puts what waits for an id on the stack, so that the oldest is on top.
local function push_waiting(stack, id)
  local key = meta .. 'wait:' .. id
  local waiting = redis.call('ZREVRANGE', key, 0, -1)
  if #waiting > 0 then redis.call('UNLINK', key) end
  for _, entry in ipairs(waiting) do stack[#stack + 1] = entry end
end

-- As `put`; then whatever waited for it has happened too: duplicates, and what waited for those in turn, each right after
-- its original. Other nodes are told the tickets of their requests; returns those of this one, separated by commas.
local function link(id, hash, length, metadata, data)
  put(id, hash, length, metadata, data)
  local stack, woken = {}, {}
  push_waiting(stack, id)
  while #stack > 0 do
    local other, ticket, copy = string.match(table.remove(stack), '^(%x+):(%d+):(%x*)$')
    if is_alive(other) then
      woken[other] = woken[other] or {}
      table.insert(woken[other], ticket)
      if copy ~= '' then
        put(copy, hash, length, metadata)
        push_waiting(stack, copy)
      end
    end
  end
  local own = table.concat(woken[node] or {}, ',')
  woken[node] = nil
  if next(woken) then
    local found = reply_object('object', hash, length, metadata)
    for other, tickets in pairs(woken) do
      tickets = table.concat(tickets, ',')
      local mail, number = meta .. 'mail:' .. other, redis.call('HINCRBY', stats, 'mails', 1)
      -- Its number makes every message another member of the set.
      redis.call('ZADD', mail, number, string.format('%d:%d:%d:%d:%d:', number, #tickets, #metadata, #found[5], length)
        .. tickets .. hash .. metadata .. found[5] .. found[6])
      redis.call('EXPIRE', mail, MAIL)
      redis.call('PUBLISH', meta .. 'node:' .. other, '')
    end
  end
  return own
end

local function known(hash) return redis.call('EXISTS', meta .. 'content:' .. hash) == 1 end

local changes = {}

-- id, hash, length, metadata, data: stores a small object.
function changes.set(id, hash, length, metadata, data)
  return { 'ok', link(id, hash, tonumber(length), metadata, data) }
end

-- id, hash, length, metadata, at, uploaded: gives an id a content that is there already, or whose chunks have been
-- uploaded as `at`. Without either it is noted that they will be, so that they do not stay if the node dies.
function changes.link(id, hash, length, metadata, at, uploaded)
  local upload = 'upload:' .. at .. ':' .. length
  if not known(hash) then
    if uploaded ~= '1' or redis.call('ZREM', garbage, upload) == 0 then
      if at ~= '' then redis.call('ZADD', garbage, now + UPLOAD, upload) end
      return { 'absent' }
    end
    redis.call('HSET', meta .. 'content:' .. hash, 'length', length, 'at', at)
  elseif uploaded == '1' then
    redis.call('ZADD', garbage, now, upload)
  end
  return { 'ok', link(id, hash, tonumber(length), metadata) }
end

function changes.delete(id)
  if not release(id) then return { 'absent' } end
  redis.call('UNLINK', prefix .. id)
  return { 'ok' }
end

-- id, original, ticket: waits for the original if there is none.
function changes.duplicate(id, original, ticket)
  local hash, length, metadata = object(original)
  if not hash then return wait(original, ticket, id) end
  if hash == 'foreign' then return { 'foreign', tostring(length) } end
  local tickets = link(id, hash, length, metadata)
  if tickets == '' then return { 'ok', '' } end
  local reply = reply_object('ok', hash, length, metadata)
  table.insert(reply, 2, tickets)
  return reply
end

-- id, ticket, copy: the request does not wait any more.
function changes.forget(id, ticket, copy)
  redis.call('ZREM', meta .. 'wait:' .. id, node .. ':' .. ticket .. ':' .. copy)
  return { 'ok' }
end

local reads = {}

-- id, ticket: with a ticket it waits for the object.
function reads.get(id, ticket)
  local hash, length, metadata = object(id)
  if hash == 'foreign' then return { 'foreign', tostring(length) } end
  if hash then return reply_object('object', hash, length, metadata) end
  return ticket ~= '' and wait(id, ticket, '') or { 'absent' }
end

function reads.stat(id)
  local hash, length, metadata = object(id)
  if hash == 'foreign' then return { 'foreign', tostring(length) } end
  return hash and { 'stat', tostring(length), metadata } or { 'absent' }
end

-- last: the messages to this node, those up to number `last` having been read.
function reads.mail(last)
  local mail = meta .. 'mail:' .. node
  redis.call('ZREMRANGEBYSCORE', mail, '-inf', last)
  return { 'mail', unpack(redis.call('ZRANGE', mail, 0, 99)) }
end

-- Nothing: the batch itself says that the node lives.
function reads.alive()
  return { 'ok' }
end

function reads.totals()
  write_changes()
  local found = redis.call('HMGET', stats, 'ids', 'contents', 'bytes')
  return { 'totals', found[1] or '0', found[2] or '0', found[3] or '0' }
end

local arity = { set = 5, link = 6, delete = 1, duplicate = 3, forget = 3, get = 2, stat = 1, mail = 1, alive = 0, totals = 0 }
local replies, changed = {}, {}
while cursor < #ARGV do
  local name, place = arg(), #replies + 1
  local args = {}
  for i = 1, arity[name] do args[i] = arg() end
  if reads[name] then
    replies[place] = reads[name](unpack(args))
  else
    replies[place] = replayed[place] or changes[name](unpack(args))
    changed[place] = replies[place]
  end
end
write_changes()
if number ~= last and next(changed) then
  redis.call('HSET', batch, 'number', number, 'replies', cmsgpack.pack(changed))
  redis.call('EXPIRE', batch, BATCH)
end
return replies
