-- Executes batches of operations, each in order and atomically. (arguments.lua, contents.lua, objects.lua, waiters.lua and
-- operations.lua are one script, in this order.) On one Redis a call has one batch. On a Cluster it may have batches of several
-- partitions of a shard: a call costs as much as some operations.
--
-- A batch that is sent again, because its reply was lost, changes nothing the second time. A batch that arrives after newer
-- ones of the same node is refused (STALE). So is a batch that was sent before the reply to the one before it had come, if
-- that one was not executed (EARLY).
--
-- When an operation fails, the batch ends with its error, which names its index: "(operation 3)". The batch is then sent again:
-- what was executed is not executed twice. A key of the store's own that has another type is removed, and the last reply says
-- so: `repaired` and the keys. What an id has is never removed: an object that cannot be read is `damaged`.
--
-- KEYS: of the first batch the keys of the statistics, the total size, the garbage, the waited flag, the refused flag, this node's
-- alive key, its trial, the holds and its batch. The trial never exists outside of this script: so a Redis Cluster refuses the
-- whole batch while the slot of these keys is being moved (ASK, TRYAGAIN). In between, some of the other keys would be there and
-- some would not. A further batch has these keys among its arguments, since KEYS must have one slot. Redis refuses such a batch
-- at the first key that this shard has not got; the others are executed.
-- ARGV: the prefix of the channels of nodes, the node, the length of a chunk; then of each batch:
--   but not of the first: its keys, as above
--   the prefixes of the keys of objects, contents, chunks, waiters, refused ids, notifications and alive keys
--   its number, the number of the last batch before it that has a write, the mode, the upkeep
--   the operations: the name and the arguments of each, every one after its length (u32)
--   how many small contents the operations store, and these. They are separate arguments because Lua hashes every byte of every
--   string that it makes.
-- The mode is `alone`; or `follows`, if the batch before it is still in flight; or `full`, if Redis is full and the batch
-- needs no further memory. The upkeep is `alive`, if the batch has to say that the node is alive; or `trial`, if it also has to try
-- the commands; or empty.
-- Returns for each batch its error, or one reply per operation: a word that says how it ended, or an array that begins with this
-- word.
--
-- Redis types and contents of the keys:
--   object          hash: o, the record of the object, and t, the second in which it was stored. A string is an object of the
--                   original server.
--   content         string: reference count, the number of ids that have it (u64), upload, length, and a small content itself
--   chunk           string: a part of a content. It expires unless a content has it.
--   garbage         sorted set: contents without ids, by the second of their removal
--   waiters         sorted set: requests that wait for an object, "node:ticket:" and, for a duplicate, the id to create; * if that
--                   is in another partition
--   waited          string: exists while requests may be waiting
--   refused id      string: exists for a time after the set of an id was refused, or its content was lost
--   refused         string: exists while there may be refused ids
--   notifications   sorted set: notifications to a node about what it waits for, by number
--   node channel    tells a node that it has a notification: the message is the prefix of the objects' keys
--   alive           string: exists while the node is alive
--   trial           exists only while the commands are tried
--   holds           sorted set: contents that nodes are copying to another partition, "node:ticket:" and the hash, by the second
--                   until which they are kept. Each is an id more in the reference count
--   batch           hash: number of the node's last batch that has a write, and after a + that of one that failed on the way; 0 and
--                   1: the replies to its last even and odd one; partial: those of the one that failed, until then
--   statistics      hash: ids, contents, bytes; waits and mails, the last numbers given to waiters and notifications
--   total size      string: bytes of all ids as the original counts them
--
-- A record is the hash of the content (32 bytes), the name of its upload (16 bytes, or NO_UPLOAD), its length (u64) and the
-- metadata. Up to 64 bytes Redis stores it compactly. Numbers in bytes are big-endian.
local call, try, sub, find, pack, unpack_bytes =
  redis.call, redis.pcall, string.sub, string.find, struct.pack, struct.unpack
-- The arguments of all batches.
local node_channel, node, CHUNK = ARGV[1], ARGV[2], tonumber(ARGV[3])
-- Those of the batch that is executed now.
local stats, total_size, garbage, waited_flag, refused_flag, alive, trial, holds, batch
local object_key, content_key, chunk_key, waiters_key, refused_key, notifications_key, alive_key
local number, after, mode, upkeep, operations, contents
-- In place of the name of an upload: the content is small, and is in its own key.
local NO_UPLOAD = '----------------'
-- Seconds. GRACE: how long a content of many chunks can still be read after its last id is gone. The others are expiry times.
-- They are strings because Redis is slow at converting numbers.
local GRACE, WAITERS_TTL, WAITED_TTL, ALIVE_TTL, NOTIFICATIONS_TTL, BATCH_TTL = 10, '60', '61', '15', '60', '3600'
local REFUSED_TTL, REFUSED_FLAG_TTL, HOLD_TTL = '600', '601', 600
-- A count of ids that a content never comes down from: for one that was damaged, so that it is not known how many ids have it.
local UNKNOWN_REFS = 2 ^ 40

-- Keys of the batch that had another type.
local repaired

-- True if the reply is the error that the key has another type. Any other error is raised.
local function is_wrong_type(reply)
  if type(reply) ~= 'table' or not reply.err then return false end
  if find(reply.err, 'WRONGTYPE', 1, true) then return true end
  error(reply.err, 0)
end

-- As `call`, on a key of the store's own: if that has another type, it is removed first.
local function call_own(command, key, ...)
  local reply = try(command, key, ...)
  if not is_wrong_type(reply) then return reply end
  call('UNLINK', key)
  repaired[#repaired + 1] = key
  return call(command, key, ...)
end

-- The next arguments of the call.
local argument = 3
local function take(count)
  argument = argument + count
  return unpack(ARGV, argument - count + 1, argument)
end

-- Takes the arguments of the next batch.
local cursor, contents_read
local function take_batch(is_first)
  if is_first then
    stats, total_size, garbage, waited_flag, refused_flag, alive, trial, holds, batch = unpack(KEYS)
  else
    stats, total_size, garbage, waited_flag, refused_flag, alive, trial, holds, batch = take(9)
  end
  object_key, content_key, chunk_key, waiters_key, refused_key, notifications_key, alive_key = take(7)
  number, after, mode, upkeep, operations, contents = take(6)
  cursor, contents_read = 1, argument
  argument = argument + contents
end

-- The next argument of an operation, and the next of the small contents.
local function next_argument()
  local value
  value, cursor = unpack_bytes('>I4c0', operations, cursor)
  return value
end
local function next_content() contents_read = contents_read + 1; return ARGV[contents_read] end

-- A user who may not run some command is to be refused now, not in the middle of an operation: that would be executed again,
-- and count again what it had counted.
local function try_commands()
  call('UNLINK', trial)
  call('INCRBY', trial, '0')
  call('SETRANGE', trial, '0', '0')
  for _, command in ipairs({ 'GET', 'STRLEN', 'EXISTS', 'PERSIST', 'UNLINK' }) do call(command, trial) end
  call('GETRANGE', trial, '0', '0')
  call('ZADD', trial, '0', '')
  call('ZREVRANGE', trial, '0', '0')
  call('ZREM', trial, '')
  call('HSET', trial, 'o', '0', 't', '0')
  call('HINCRBY', trial, 'o', '0')
  call('EXPIRE', trial, '0')
  call('TIME')
end

local time_now
local function now()
  time_now = time_now or call('TIME')[1]
  return time_now
end
