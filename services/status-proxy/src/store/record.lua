-- Appends lines to their streams, if this instance holds the recorder's lease or can take it. What others have written in
-- the place of a key is replaced.
-- KEYS: lease, recording, then a stream for each channel of this call.
-- ARGV: instance, lease in ms, since, until, max lines of a stream, max age in ms, max bytes of text of a stream, then for
--   each line: number of its stream's key, id, text.
-- An entry is {line, text, total, bytes}: the bytes of text in the stream up to and with this entry, since it began.
--   since: every line from this epoch on is in this call or in an earlier one of this instance.
--   until: every line before this epoch is, too.
-- Returns {is recorder, upto}. Every line before epoch `upto` is recorded.

local DAY = 24 * 3600 * 1000
local function of_wrong_type(reply)
  return type(reply) == 'table' and reply.err and string.find(reply.err, 'WRONGTYPE', 1, true)
end
local function failed(reply)
  return type(reply) == 'table' and reply.err
end
-- Epochs are below 2^53; nil for what is none.
local function as_epoch(text)
  local number = text and tonumber(text)
  if number and number >= 0 and number < 2 ^ 53 then return number end
end

local holder = redis.pcall('GET', KEYS[1])
if of_wrong_type(holder) then holder = false end
if failed(holder) then return holder end
local recording = redis.pcall('HMGET', KEYS[2], 'upto', 'complete')
local is_misplaced = of_wrong_type(recording)
if is_misplaced then recording = {} end
if failed(recording) then return recording end
local upto, complete = as_epoch(recording[1]), as_epoch(recording[2]) or 0
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if upto and (complete > upto or upto > now + DAY) then upto = nil end
local since, until_epoch = tonumber(ARGV[3]), tonumber(ARGV[4])
-- A lease ends by itself: a holder without an end is none.
if holder and holder ~= ARGV[1] and redis.call('PTTL', KEYS[1]) >= 0 then
  return {0, string.format('%.0f', upto or 0)}
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
if is_misplaced then redis.call('DEL', KEYS[2]) end
if not upto or upto < since then
  -- Nobody recorded the lines between `upto` and `since`: the recording is complete only from here on.
  complete = since
  redis.call('HSET', KEYS[2], 'complete', ARGV[3])
end
local expired = now - ARGV[6] + 1
-- A stream that does not exist had no line since this time. Its first entry says so.
local first = string.format('%.0f-0', math.max(complete, expired, 1))

-- Begins a stream in the place of something else. Nobody knows which lines were there before this id.
local function replace(stream, id)
  local epoch, sequence = string.match(id, '^(%d+)-(%d+)$')
  redis.call('DEL', stream)
  redis.call('XADD', stream, string.format('%s-%.0f', epoch, sequence - 1), 'begin', '')
end
-- Whether the last entry is not of a recorder, and stands in the way of lesser ids.
local function is_blocked(stream)
  local newest = redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 1)[1]
  if not newest then return false end
  local kind = newest[2][1]
  return kind ~= 'line' and kind ~= 'begin' or tonumber(string.match(newest[1], '^%d+')) > now + DAY
end

-- The total of an entry, or 0 of one that has none.
local function total_of(entry)
  return entry and entry[2][3] == 'total' and tonumber(entry[2][4]) or 0
end
-- Drops the oldest lines until at most `limit` bytes are left of `total`.
local function trim(stream, total, limit)
  local from = '-'
  while true do
    local entries = redis.call('XRANGE', stream, from, '+', 'COUNT', 4)
    for _, entry in ipairs(entries) do
      local before = total_of(entry)
      if entry[2][1] == 'line' then before = before - #entry[2][2] end
      -- An entry without a total was recorded by an earlier version, and is older than those with one.
      if before >= 0 and total - before <= limit then
        redis.call('XTRIM', stream, 'MINID', entry[1])
        return
      end
      from = '(' .. entry[1]
    end
    if #entries == 0 then return end
  end
end

local max_bytes, totals = tonumber(ARGV[7]), {}
for i = 8, #ARGV, 3 do
  local stream, id, text = KEYS[tonumber(ARGV[i])], ARGV[i + 1], ARGV[i + 2]
  local kind = redis.call('TYPE', stream).ok
  if kind == 'none' then
    redis.call('XADD', stream, first, 'begin', '')
  elseif kind ~= 'stream' then
    replace(stream, id)
  end
  local before = totals[stream]
  if not before then
    before = total_of(redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 1)[1])
  end
  local total = string.format('%.0f', before + #text)
  -- XADD refuses an id that is not greater than the stream's last: a line that another instance has recorded already.
  local added = redis.pcall('XADD', stream, 'MAXLEN', ARGV[5], id, 'line', text, 'total', total)
  if failed(added) then
    if not string.find(added.err, 'equal or smaller', 1, true) then return added end
    if is_blocked(stream) then
      replace(stream, id)
      redis.call('XADD', stream, id, 'line', text, 'total', total)
      totals[stream] = tonumber(total)
    end
  else
    totals[stream] = tonumber(total)
    -- Not at each line, so that a stream of small ones is not read each time.
    local step = max_bytes / 16
    if math.floor(before / step) ~= math.floor(totals[stream] / step) then
      trim(stream, totals[stream], max_bytes - step)
    end
  end
  redis.call('PEXPIRE', stream, ARGV[6])
end
if not upto or upto < until_epoch then
  redis.call('HSET', KEYS[2], 'upto', ARGV[4])
  upto = until_epoch
end
return {1, string.format('%.0f', upto)}
