-- Removes contents of many chunks that have had no id for a while. ARGV: key prefix, bytes of a chunk, how many to remove at
-- most. Returns how many were.
local prefix, chunk, limit = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local meta = prefix .. '_meta:'
local garbage = meta .. 'garbage'
local now = redis.call('TIME')[1]

local function unlink_chunks(at, length)
  for i = 0, math.ceil(length / chunk) - 1 do redis.call('UNLINK', meta .. 'chunk:' .. at .. ':' .. i) end
end

local due = redis.call('ZRANGEBYSCORE', garbage, '-inf', now, 'LIMIT', 0, limit)
for _, hash in ipairs(due) do
  redis.call('ZREM', garbage, hash)
  local key = meta .. 'content:' .. hash
  local head = redis.call('GETRANGE', key, 0, 31)
  if head ~= '' and struct.unpack('>I8', head) == 0 then
    unlink_chunks(string.sub(head, 9, 24), struct.unpack('>I8', head, 25))
    redis.call('UNLINK', key)
  end
end
return #due
