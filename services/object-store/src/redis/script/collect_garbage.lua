-- Removes contents of many chunks that have had no id for a while.
--
-- KEYS: the garbage, and a key that never exists, so that a Redis Cluster refuses this while their slot is being moved.
-- ARGV: the prefixes of the keys of contents and of chunks, the length of a chunk, and how many contents to remove at most.
-- Returns how many were due.
local garbage = KEYS[1]
local content_key, chunk_key, chunk, limit = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local now = redis.call('TIME')[1]

-- Stops when many chunks in a row are missing: then the length is not to be trusted.
local function unlink_chunks(upload, length)
  local missing = 0
  for i = 0, math.ceil(length / chunk) - 1 do
    missing = redis.call('UNLINK', chunk_key .. upload .. ':' .. i) == 0 and missing + 1 or 0
    if missing > 64 then return end
  end
end

-- The store's own: what has another type there is nobody's.
if redis.call('TYPE', garbage).ok ~= 'zset' then
  redis.call('UNLINK', garbage)
  return 0
end
local due = redis.call('ZRANGEBYSCORE', garbage, '-inf', now, 'LIMIT', 0, limit)
for _, hash in ipairs(due) do
  local key = content_key .. hash
  local head = redis.call('TYPE', key).ok == 'string' and redis.call('GETRANGE', key, 0, 31) or ''
  if #head == 32 and struct.unpack('>I8', head) == 0 then
    unlink_chunks(string.sub(head, 9, 24), struct.unpack('>I8', head, 25))
    redis.call('UNLINK', key)
  end
  -- Last: what Redis refuses above is done again.
  redis.call('ZREM', garbage, hash)
end
return #due
