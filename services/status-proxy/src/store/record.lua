-- Appends lines to their streams, if this instance holds the recorder's lease or can take it. What others have written in
-- the place of a key is replaced.
-- KEYS: lease, recording, then for each channel of this call its stream, and the list of its run's channels.
-- ARGV: instance, lease in ms, since, until, max lines of a stream, max age in ms, max bytes of text of a stream, bytes that
--   this call may read and write, whether a free lease may be taken (0 no, 1 if nothing is missing then, 2 yes), calls, how many
--   channels, their names, then for each line: number of its channel, id, text.
-- An entry is {line, text, total, bytes}: the bytes of text in the stream up to and with this entry, since it began.
--   since: every line from this epoch on is in this call or in an earlier one of this instance.
--   until: every line before this epoch is, too.
--   calls: as many calls of a recorder this instance has been told of. '' where Redis forgets nothing while its connections stand.
-- A list has the channels that have a stream, by the time of their last line. The name '' in it: others are not known.
-- Returns {who records, upto, how many lines are recorded, calls}. The others have to be passed again. Every line before epoch
-- `upto` is recorded. Who records: 0 another instance, 1 this one, 2 nobody, 3 this one, but what it recorded last is lost.

-- What reading or writing an entry counts beside its text.
local ENTRY = 1024
local DAY = 24 * 3600 * 1000
local function of_wrong_type(reply)
  return type(reply) == 'table' and reply.err and string.find(reply.err, 'WRONGTYPE', 1, true)
end
local function failed(reply)
  return type(reply) == 'table' and reply.err
end
-- Epochs and counts are below 2^53; nil for what is none.
local function as_count(text)
  local number = text and tonumber(text)
  if number and number >= 0 and number < 2 ^ 53 then return number end
end

local holder = redis.pcall('GET', KEYS[1])
if of_wrong_type(holder) then holder = false end
if failed(holder) then return holder end
local recording = redis.pcall('HMGET', KEYS[2], 'upto', 'complete', 'listed', 'listed_upto', 'calls')
local is_misplaced = of_wrong_type(recording)
if is_misplaced then recording = {} end
if failed(recording) then return recording end
local upto, complete = as_count(recording[1]), as_count(recording[2]) or 0
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if upto and (complete > upto or upto > now + DAY) then upto = nil end
local since = tonumber(ARGV[3])
-- Every channel with a line from this epoch on is in the list of its run. An earlier version of the recorder makes no lists.
local listed = recording[4] == recording[1] and as_count(recording[3])
-- A lease ends by itself: a holder without an end is none.
local is_held = holder and (holder == ARGV[1] or redis.call('PTTL', KEYS[1]) >= 0)
local calls = as_count(recording[5]) or 0
local function leave(who)
  return {who, string.format('%.0f', upto or 0), 0, calls}
end
if is_held and holder ~= ARGV[1] then return leave(0) end
if not is_held and (ARGV[9] == '0' or ARGV[9] == '1' and upto and upto < since) then return leave(2) end
if ARGV[10] ~= '' and calls < tonumber(ARGV[10]) then return leave(3) end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
if is_misplaced then redis.call('DEL', KEYS[2]) end
if not upto or upto < since then
  -- Nobody recorded the lines between `upto` and `since`: the recording is complete only from here on.
  complete = since
  redis.call('HSET', KEYS[2], 'complete', ARGV[3])
end
if not listed then redis.call('HSET', KEYS[2], 'listed', ARGV[3], 'listed_upto', recording[1] or '') end
local expired = now - ARGV[6] + 1
-- A stream that does not exist had no line since this time. Its first entry says so.
local begin = math.max(complete, expired, 1)

local max_lines, max_bytes, work, max_work = tonumber(ARGV[5]), tonumber(ARGV[7]), 0, tonumber(ARGV[8])
local function read(command, stream, from, to, count)
  local entries = redis.call(command, stream, from, to, 'COUNT', count)
  for _, entry in ipairs(entries) do work = work + ENTRY + #entry[2][2] end
  return entries
end
local function newest_of(stream)
  return read('XREVRANGE', stream, '+', '-', 1)[1]
end

-- Begins a stream in the place of something else. Nobody knows which lines were there before this id.
local function replace(stream, id)
  local epoch, sequence = string.match(id, '^(%d+)-(%d+)$')
  redis.call('DEL', stream)
  redis.call('XADD', stream, string.format('%s-%.0f', epoch, sequence - 1), 'begin', '')
end
-- Whether the last entry is not of a recorder, and stands in the way of lesser ids.
local function is_blocked(stream)
  local newest = newest_of(stream)
  if not newest then return false end
  local kind = newest[2][1]
  return kind ~= 'line' and kind ~= 'begin' or tonumber(string.match(newest[1], '^%d+')) > now + DAY
end

-- The total with an entry, and before it. An entry without one was recorded by an earlier version, or says where the stream begins.
local function total_of(entry)
  return entry and entry[2][3] == 'total' and tonumber(entry[2][4]) or 0
end
local function total_before(entry)
  local total = total_of(entry)
  return total > 0 and total - #entry[2][2] or 0
end

-- Adds a channel to the list of its run, and removes those that have no stream any more.
local function enlist(list, channel)
  local added = redis.pcall('ZADD', list, now, channel)
  if failed(added) then
    if not of_wrong_type(added) then return added end
    redis.call('DEL', list)
    redis.call('ZADD', list, now, '', now, channel)
  end
  redis.call('ZREMRANGEBYSCORE', list, '-inf', '(' .. expired)
  redis.call('PEXPIRE', list, ARGV[6])
end

-- What is known of the streams of this call: how many entries there are, and the totals before the first and with the last.
local streams = {}
local function open(stream, id)
  if not streams[stream] then
    local kind = redis.call('TYPE', stream).ok
    -- A line that is older waited for the shard while others were missed.
    if kind == 'none' and begin <= tonumber(string.match(id, '^%d+')) then
      redis.call('XADD', stream, string.format('%.0f-0', begin), 'begin', '')
    elseif kind ~= 'stream' then
      replace(stream, id)
    end
    streams[stream] = {
      length = redis.call('XLEN', stream),
      first = total_before(read('XRANGE', stream, '-', '+', 1)[1]),
      last = total_of(newest_of(stream)),
    }
  end
  return streams[stream]
end
-- XADD refuses an id that is not greater than the stream's last: a line that another instance has recorded already.
local function append(stream, state, id, text)
  local total = state.last + #text
  -- A lower limit than before is reached in steps, a few lines with each new one.
  local max_length = math.max(max_lines, state.length - 3)
  local added =
    redis.pcall('XADD', stream, 'MAXLEN', max_length, id, 'line', text, 'total', string.format('%.0f', total))
  work = work + ENTRY + #text
  if not failed(added) then
    state.length, state.last = math.min(state.length + 1, max_length), total
  end
  return added
end
-- Drops the oldest lines while there are more bytes than wanted, a few with each new one.
local function trim(stream, state)
  local kept, dropped = nil, -1
  for _, entry in ipairs(read('XRANGE', stream, '-', '+', 4)) do
    kept, dropped, state.first = entry[1], dropped + 1, total_before(entry)
    if state.last - state.first <= max_bytes then break end
  end
  redis.call('XTRIM', stream, 'MINID', kept)
  state.length = state.length - dropped
end

local recorded, first_line, enlisted = 0, 12 + tonumber(ARGV[11]), {}
for i = first_line, #ARGV, 3 do
  if work >= max_work then break end
  local channel, id, text = tonumber(ARGV[i]), ARGV[i + 1], ARGV[i + 2]
  local stream, list = KEYS[1 + 2 * channel], KEYS[2 + 2 * channel]
  if not enlisted[channel] then
    local refused = enlist(list, ARGV[11 + channel])
    if refused then return refused end
    enlisted[channel] = true
  end
  local state = open(stream, id)
  local added = append(stream, state, id, text)
  if failed(added) then
    if not string.find(added.err, 'equal or smaller', 1, true) then return added end
    if is_blocked(stream) then
      replace(stream, id)
      streams[stream] = nil
      append(stream, open(stream, id), id, text)
    end
  elseif state.last - state.first > max_bytes then
    trim(stream, state)
  end
  redis.call('PEXPIRE', stream, ARGV[6])
  recorded = recorded + 1
end

-- The first line that is not recorded is of an epoch that is not.
local unrecorded = ARGV[first_line + 1 + 3 * recorded]
local reached = unrecorded and string.match(unrecorded, '^%d+') or ARGV[4]
if not upto or upto < tonumber(reached) then
  redis.call('HSET', KEYS[2], 'upto', reached, 'listed_upto', reached)
  upto = tonumber(reached)
end
if ARGV[10] ~= '' then
  calls = calls + 1
  redis.call('HSET', KEYS[2], 'calls', calls)
end
return {1, string.format('%.0f', upto), recorded, calls}
