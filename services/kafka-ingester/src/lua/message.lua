-- Shared by apply.lua and replay.lua: doing what one message asks for. A message is what batch.rs describes; ARGV:
-- 1 hash, json or stream   2 notice, '' for none   3 milliseconds to live, 0 for ever   4 entries kept in a stream, 0 for all
local store_as, notice, ttl, stream_max = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local DEAD, WRITE, DELETE = 0, 1, 2
local AT_ONCE = 1000 -- values that unpack may put on Lua's stack; even, so that no field is parted from its value

-- What went wrong, without what Redis adds about the script; nil when nothing did.
local function try(...)
  local answer = redis.pcall(...)
  if type(answer) == 'table' and answer.err then
    return (answer.err:gsub('^@user_script:%s*%d+:%s*', ''):gsub('^%-', ''):gsub(',? ?script: .*$', ''))
  end
end

-- In pieces: a large message has more values than the stack holds.
local function in_pieces(values, first, ...)
  local last = #values
  for from = first, last, AT_ONCE do
    local command = { ... }
    for i = from, math.min(from + AT_ONCE - 1, last) do command[#command + 1] = values[i] end
    local wrong = try(unpack(command))
    if wrong then return wrong end
  end
end

local function put(m)
  local key, count = m[3], #m
  if m[6] then
    local wrong = in_pieces(m[6], 1, 'HDEL', key)
    if wrong then return wrong end
  end
  if count == 6 then return nil end
  if store_as == 'json' then return try('SET', key, m[8]) end
  if store_as == 'hash' then
    if count <= AT_ONCE then return try('HSET', key, unpack(m, 7, count)) end
    return in_pieces(m, 7, 'HSET', key)
  end
  if count > 7000 then return 'ERR more fields than a stream entry takes here' end
  if stream_max > 0 then return try('XADD', key, 'MAXLEN', '~', stream_max, '*', unpack(m, 7, count)) end
  return try('XADD', key, '*', unpack(m, 7, count))
end

-- Writes or deletes, then tells. Returns what Redis refused, or nil.
local function act(m, ids)
  local key, id, wrong = m[3], m[4], nil
  if m[2] == DELETE then
    wrong = try('DEL', key) or (ids ~= '' and try('SREM', ids, id))
  else
    wrong = (id and ids ~= '' and try('SADD', ids, id)) or put(m) or (ttl > 0 and #m > 6 and try('PEXPIRE', key, ttl))
  end
  if wrong then return wrong end
  local told = m[5] or notice
  if told ~= '' then return try('PUBLISH', key, told) end
end

-- A server that cannot write now: the message is not at fault.
local function is_passing(wrong)
  for _, code in ipairs({ 'OOM', 'READONLY', 'MISCONF', 'NOREPLICAS', 'LOADING', 'MASTERDOWN', 'BUSY', 'CLUSTERDOWN' }) do
    if wrong:sub(1, #code) == code then return true end
  end
  return false
end
