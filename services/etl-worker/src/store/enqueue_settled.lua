-- KEYS: 1 jobs, then per session as in records.lua; then per session: what tells that it ended, its entries or the former
-- ARGV: 1 R, 2 settle time (ms), 3 what tells that a session ended, 4 the number N of sessions, then per session as in
--       records.lua
-- Creates jobs for the sessions that ended and whose entries have not become more for the settle time.
-- Returns how many, and the tokens of the sessions whose state is unreadable.
local queued, unreadable = 0, {}
local count = tonumber(ARGV[4])
local ends = #KEYS - 2 * count
for i = 1, count do
  local state, settling, members, records, token, prefix, suffix = session(i, 1, 4)
  local status, entries = KEYS[ends + 2 * i - 1], KEYS[ends + 2 * i]
  local is_known = known(state)
  if is_known == 'unreadable' then
    unreadable[#unreadable + 1] = token
  elseif not is_known and try('GET', status) == ARGV[3] then
    local length = entries == status and 0 or try('LLEN', entries)
    length = failed(length) and 'unreadable' or tostring(length)
    if has_settled(settling, length)
      and enqueue(KEYS[1], state, settling, members, records, token, prefix, suffix) == 'queued' then
      queued = queued + 1
    end
  end
end
return { queued, unreadable }
