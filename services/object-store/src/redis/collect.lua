-- Removes contents that have had no id for a while, and what was left of uploads. ARGV: key prefix, chunk length in
-- bytes, how many to remove at most. Returns how many were.
local prefix, chunk, limit = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local meta = prefix .. '_meta:'
local garbage = meta .. 'garbage'
local now = redis.call('TIME')[1]

local function unlink_chunks(at, length)
  for i = 0, math.ceil(length / chunk) - 1 do redis.call('UNLINK', meta .. 'chunk:' .. at .. ':' .. i) end
end

local due = redis.call('ZRANGEBYSCORE', garbage, '-inf', now, 'LIMIT', 0, limit)
for _, what in ipairs(due) do
  redis.call('ZREM', garbage, what)
  local at, length = string.match(what, '^upload:(.-):(%d+)$')
  if at then
    unlink_chunks(at, tonumber(length))
  else
    local key = meta .. 'content:' .. what
    local found = redis.call('HMGET', key, 'ids', 'at', 'length')
    if tonumber(found[1] or 0) <= 0 then
      if found[2] then unlink_chunks(found[2], tonumber(found[3])) end
      redis.call('UNLINK', key)
    end
  end
end
return #due
