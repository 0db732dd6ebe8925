-- Shared by apply.lua and replay.lua: doing what one message asks for. Messages are items one after the
-- other, as batch.rs describes them; ARGV:
-- 1 hash, json or stream   2 notice, '' for none   3 milliseconds to live, 0 for ever   4 entries kept in a stream, 0 for all
local store_as, notice, ttl, stream_max = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local DEAD, WRITE, DELETE = 0, 1, 2
local AT_ONCE = 1000 -- values that unpack may put on Lua's stack; even, so that no field is parted from its value

local send = redis.pcall

-- What went wrong, without what Redis adds about the script; nil when nothing did.
local function refusal(answer)
  if type(answer) == 'table' and answer.err then
    return (answer.err:gsub('^@user_script:%s*%d+:%s*', ''):gsub('^%-', ''):gsub(',? ?script: .*$', ''))
  end
end

-- In pieces: there may be more values than the stack holds.
local function in_pieces(values, first, last, ...)
  for from = first, last, AT_ONCE do
    local command = { ... }
    for i = from, math.min(from + AT_ONCE - 1, last) do command[#command + 1] = values[i] end
    local wrong = refusal(send(unpack(command)))
    if wrong then return wrong end
  end
end

-- The last item of the message that begins with item `at`.
local function last_of(items, at)
  if items[at + 1] == WRITE then return at + 6 + items[at + 6] end
  return at + 4
end

local function put(items, at)
  local key, unset, first, last = items[at + 2], items[at + 5], at + 7, last_of(items, at)
  if unset then
    local wrong = in_pieces(unset, 1, #unset, 'HDEL', key)
    if wrong then return wrong end
  end
  if last < first then return nil end
  if store_as == 'json' then return refusal(send('SET', key, items[last])) end
  if store_as == 'hash' then
    if last - first < AT_ONCE then return refusal(send('HSET', key, unpack(items, first, last))) end
    return in_pieces(items, first, last, 'HSET', key)
  end
  if last - first >= 7000 then return 'ERR more fields than a stream entry takes here' end
  if stream_max > 0 then return refusal(send('XADD', key, 'MAXLEN', '~', stream_max, '*', unpack(items, first, last))) end
  return refusal(send('XADD', key, '*', unpack(items, first, last)))
end

-- Writes or deletes as the message at `at` says, then tells. Returns what Redis refused, or nil.
local function act(items, at, ids)
  local key, id, wrong = items[at + 2], items[at + 3], nil
  if items[at + 1] == DELETE then
    wrong = refusal(send('DEL', key)) or (ids ~= '' and refusal(send('SREM', ids, id)))
  else
    wrong = (id and ids ~= '' and refusal(send('SADD', ids, id))) or put(items, at)
      or (ttl > 0 and items[at + 6] > 0 and refusal(send('PEXPIRE', key, ttl)))
  end
  if wrong then return wrong end
  local told = items[at + 4] or notice
  if told ~= '' then return refusal(send('PUBLISH', key, told)) end
end

-- A server that cannot write now: the message is not at fault.
local function is_passing(wrong)
  for _, code in ipairs({ 'OOM', 'READONLY', 'MISCONF', 'NOREPLICAS', 'LOADING', 'MASTERDOWN', 'BUSY', 'CLUSTERDOWN' }) do
    if wrong:sub(1, #code) == code then return true end
  end
  return false
end
