-- KEYS: per session: its state, its members, its hash, its entries; its state in the place of what the dataset does not have
-- ARGV: 1 maximum number of entries, 2 '1' to read planned sessions too, 3 the number M of fields of a member, 4 the number
--       of fields of a session, then these fields, then per session: the prefix and the suffix of its members' hashes
-- Returns per session: { part or '', error or '', { session's fields }, { member, its M fields, … }, number of entries,
-- { entries } }.
local most, read_planned, count, own = tonumber(ARGV[1]), ARGV[2] == '1', tonumber(ARGV[3]), tonumber(ARGV[4])
local member_fields, session_fields = { unpack(ARGV, 5, 4 + count) }, { unpack(ARGV, 5 + count, 4 + count + own) }
local function read(state, members, hash, entries, prefix, suffix)
  local part = try('HGET', state, 'part') or ''
  local function fail(what, error) return { part, what .. error.err, {}, {}, 0, {} } end
  if failed(part) then return { '', 'the state of the job cannot be read: ' .. part.err, {}, {}, 0, {} } end
  if part ~= '' and not read_planned then return { part, '', {}, {}, 0, {} } end
  local fields = {}
  if own > 0 then
    fields = try('HMGET', hash, unpack(session_fields))
    if failed(fields) then return fail('the hash of the session cannot be read: ', fields) end
  end
  local all = {}
  if members ~= state then
    local names = try('SMEMBERS', members)
    if failed(names) then return fail('the members cannot be read: ', names) end
    for _, name in ipairs(names) do
      all[#all + 1] = name
      if count > 0 then
        local values = try('HMGET', prefix .. name .. suffix, unpack(member_fields))
        if failed(values) then return fail(name .. ': the hash cannot be read: ', values) end
        for i = 1, count do all[#all + 1] = values[i] end
      end
    end
  end
  if entries == state then return { part, '', fields, all, 0, {} } end
  local length = try('LLEN', entries)
  if failed(length) then return fail('the list cannot be read: ', length) end
  return { part, '', fields, all, length, redis.call('LRANGE', entries, 0, most - 1) }
end
local sessions, first = {}, 5 + count + own
for i = 1, #KEYS / 4 do
  local k, a = 4 * (i - 1), first + 2 * (i - 1)
  sessions[i] = read(KEYS[k + 1], KEYS[k + 2], KEYS[k + 3], KEYS[k + 4], ARGV[a], ARGV[a + 1])
end
return sessions
